"""Reads the headers of a checkpoint folder's safetensors files, which say what tensors the files hold.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from gesso import _native
from gesso.files.checkpoint import short
from gesso.files.hf.config import read_json
from gesso.files.tensor import FLOAT_TYPES, Array, release_pages

# The NumPy type that holds each element type. NumPy lacks BF16 and F8_E4M3, so integers hold their bits.
NUMPY_TYPES: dict[str, type[np.generic]] = FLOAT_TYPES | {"F8_E4M3": np.uint8, "I8": np.int8, "U8": np.uint8}


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a safetensors file. Its values are read from the file only when they are used."""

    file: Path
    name: str
    dtype: str  # as the format spells it, for example "BF16" or "F8_E4M3"
    shape: tuple[int, ...]
    mapped: npt.NDArray[np.uint8]  # the tensor's bytes in the mapped file

    @property
    def values(self) -> Array:
        """The values, as a view of the mapped file. It may be unaligned, because the format aligns no single tensor."""
        return self.mapped.view(NUMPY_TYPES[self.dtype]).reshape(self.shape)

    def release(self) -> None:
        """Gives back the memory that reading the values has filled."""
        release_pages(self.mapped)

    def error(self, expected: str) -> ValueError:
        return ValueError(f"{self.file}: {self.name}: expected {expected}, got {self.dtype} {list(self.shape)}")


class Shards:
    """The weight files of a folder. Making one checks that all files exist; it does not read their headers."""

    def __init__(self, directory: Path):
        self._stored: dict[str, StoredTensor] | None = None
        self.index = read_json(directory / "model.safetensors.index.json")
        if self.index is None:
            self.files = [directory / "model.safetensors"]
            if not self.files[0].is_file():
                raise FileNotFoundError(f"{self.files[0]}: no such file, and no model.safetensors.index.json beside it")
            return
        self.weight_map = self.index.object("weight_map").values
        _check_count(self.index.file, len(self.weight_map))
        for name in self.weight_map.values():
            if not isinstance(name, str) or Path(name).name != name:
                raise ValueError(
                    f"{self.index.file}: weight_map: expected file names in the same folder, got {short(name)}"
                )
        self.files = [directory / name for name in sorted(set(self.weight_map.values()))]
        for file in self.files:
            if not file.is_file():
                raise FileNotFoundError(f"{file}: shard named in {self.index.file.name} is missing")

    def tensors(self) -> dict[str, StoredTensor]:
        """Returns all tensors by name, in the order of the files. The first call reads the headers."""
        if self._stored is None:
            self._stored = self._read_headers()
        return self._stored

    def _read_headers(self) -> dict[str, StoredTensor]:
        stored: dict[str, StoredTensor] = {}
        for file in self.files:
            for tensor in _read_header(file):
                if tensor.name in stored:
                    raise ValueError(f"{file}: {tensor.name}: {stored[tensor.name].file.name} has this tensor as well")
                stored[tensor.name] = tensor
            _check_count(file, len(stored))
        if self.index is not None:
            for name, shard in self.weight_map.items():
                if name not in stored or stored[name].file.name != shard:
                    raise ValueError(f"{self.index.file}: weight_map: {shard} does not have {name}")
        return stored


def _check_count(file: Path, num_tensors: int) -> None:
    if num_tensors > _native.MAX_TENSORS:
        raise ValueError(f"{file}: expected at most {_native.MAX_TENSORS} tensors in the folder, got {num_tensors}")


def _read_header(file: Path) -> Iterator[StoredTensor]:
    """Yields the tensors of one file, as views of the mapped file.

    The package safetensors first checks that the header is sound. It is used for nothing else, because it returns
    copies of tensors, not views.
    """
    with open(file, "rb") as opened:
        header_bytes = int.from_bytes(opened.read(8), "little")
    most = _native.MAX_HEADER_BYTES
    if header_bytes > most:
        expected = f"expected a header of at most {most} bytes, got {header_bytes}"
        raise ValueError(f"{file}: not a readable safetensors file: {expected}")
    try:
        with safe_open(file, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ValueError(f"{file}: not a readable safetensors file: {error}") from None
    with open(file, "rb") as opened:
        opened.seek(8)
        header: dict[str, Any] = json.loads(opened.read(header_bytes))
    data = np.memmap(file, np.uint8, "r").view(np.ndarray)[8 + header_bytes :]
    header.pop("__metadata__", None)
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        yield StoredTensor(file, name, entry["dtype"], tuple(entry["shape"]), data[begin:end])
