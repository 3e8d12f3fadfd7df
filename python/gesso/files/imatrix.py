"""Reads and writes importance matrices, which say how much an error in each column of a weight counts.

A column counts as much as the mean square of the activations that it is multiplied with. Files have llama.cpp's GGUF
form (tools/imatrix). For each weight NAME they hold two float32 tensors: `NAME.in_sum2` [experts, columns], the sums of
squared activations, and `NAME.counts` [experts, 1], the number of rows in the sum. A plain matrix counts as one expert.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.files.checkpoint import Value
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf
from gesso.files.regular_file import AnyPath
from gesso.files.tensor import Tensor

SUMS, COUNTS = ".in_sum2", ".counts"


def write_imatrix(path: AnyPath, entries: list[_native.WeightImportance], metadata: Mapping[str, Value]) -> None:
    """Writes an importance matrix.

    metadata: "datasets", a list with the names of the texts; "chunk_count", the number of canvases; "chunk_size", the
    number of tokens of a canvas.
    """
    tensors = []
    for entry in entries:
        if not np.isfinite(entry.sums).all():
            raise ValueError(f"{entry.name}: sums of squared activations that are not finite; a weight may be broken")
        counts = entry.counts.astype(np.float32).reshape(-1, 1)
        tensors.append(Tensor(entry.name + SUMS, "F32", entry.sums.shape, entry.sums))
        tensors.append(Tensor(entry.name + COUNTS, "F32", counts.shape, counts))
    keys: dict[str, Value] = {f"imatrix.{key}": value for key, value in metadata.items()}
    write_gguf(path, {"general.architecture": "imatrix", "general.type": "imatrix", **keys}, tensors)


def read_imatrix(path: AnyPath) -> dict[str, npt.NDArray[np.float32]]:
    """Maps each weight's name to the mean squares of its activations: float32 [columns], or [experts, columns].

    An expert that was never used has zeros. Quantisers then treat all its columns alike. Raises ValueError if the file
    is not an importance matrix.
    """
    source = read_gguf(path, mmap=False)
    path, kind = source.path, source.values.get("general.type")
    if kind != "imatrix":
        raise _native.FormatError(f"{path}: general.type: expected 'imatrix', got {kind!r}")
    tensors: dict[str, npt.NDArray[np.float32]] = {}
    for tensor in source.tensors():
        if tensor.dtype != "F32":
            raise _native.FormatError(f"{path}: {tensor.name}: expected type F32, got {tensor.dtype}")
        tensors[tensor.name] = tensor.data
    names = [name.removesuffix(SUMS) for name in tensors if name.endswith(SUMS)]
    return {name: _mean(path, name, tensors) for name in names}


def _mean(path: Path, name: str, tensors: Mapping[str, npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    sums, counts = tensors[name + SUMS], tensors.get(name + COUNTS)
    if counts is None:
        raise _native.FormatError(f"{path}: {name}: missing {name}{COUNTS}")
    sums = sums.reshape(-1, sums.shape[-1])
    if counts.size not in (1, len(sums)):
        raise _native.FormatError(f"{path}: {name}{COUNTS}: expected {len(sums)} values, got {counts.size}")
    if not (np.isfinite(sums).all() and (sums >= 0).all() and np.isfinite(counts).all() and (counts >= 0).all()):
        raise _native.FormatError(f"{path}: {name}: expected finite values >= 0")
    mean: npt.NDArray[np.float32] = np.divide(sums, np.maximum(counts.reshape(-1, 1), 1), dtype=np.float32)
    return mean.reshape(-1) if len(mean) == 1 else mean
