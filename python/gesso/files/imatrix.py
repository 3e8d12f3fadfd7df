"""Reads and writes importance matrices, which say how much an error in each column of a weight counts.

A column counts as much as the mean square of the activations that it is multiplied with. Files have llama.cpp's GGUF
form (tools/imatrix). For each weight NAME they hold two float32 tensors: `NAME.in_sum2` [experts, columns], the sums of
squared activations, and `NAME.counts` [experts, 1], the number of rows in the sum. A plain matrix counts as one expert.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.files.checkpoint import Value
from gesso.files.gguf_writer import write_gguf
from gesso.files.regular_file import AnyPath, as_path
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
    entries = _native.read_imatrix(os.fsencode(as_path(path)))
    values = {entry.name: entry.values for entry in entries}
    return {name: mean.reshape(-1) if len(mean) == 1 else mean for name, mean in values.items()}
