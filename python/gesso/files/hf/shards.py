"""Reads the headers of a checkpoint folder's safetensors files, which say what tensors the files hold.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from gesso.files.hf.config import read_json
from gesso.files.hf.folder_file import open_file
from gesso.files.regular_file import OpenFile
from gesso.files.tensor import FLOAT_TYPES, Array

# The NumPy type that holds each element type. NumPy lacks BF16 and F8_E4M3, so integers hold their bits.
NUMPY_TYPES: dict[str, type[np.generic]] = FLOAT_TYPES | {"F8_E4M3": np.uint8, "I8": np.int8, "U8": np.uint8}


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a safetensors file. Its values are read from the file only when they are used."""

    file: Path
    name: str
    dtype: str  # as the format spells it, for example "BF16" or "F8_E4M3"
    shape: tuple[int, ...]
    opened: OpenFile
    begin: int  # where the tensor's bytes begin in the file, and where they end
    end: int

    @property
    def values(self) -> Array:
        """The values: a view of the mapped file, which may be unaligned, because the format aligns no single tensor; or
        what is read from the file now."""
        return self.opened.part(self.begin, self.end).view(NUMPY_TYPES[self.dtype]).reshape(self.shape)

    def release(self) -> None:
        """Gives back the memory that reading the values from a mapped file has filled."""
        self.opened.release(self.begin, self.end)

    def error(self, expected: str) -> ValueError:
        return ValueError(f"{self.file}: {self.name}: expected {expected}, got {self.dtype} {list(self.shape)}")


class Shards:
    """The weight files of a folder. Making one checks that all names exist; `tensors` opens the files.

    mmap: False reads the values of a tensor each time they are asked for, instead of mapping the files.
    """

    def __init__(self, directory: Path, *, mmap: bool = True):
        self.mmap = mmap
        self.index = read_json(directory / "model.safetensors.index.json")
        if self.index is None:
            self.files = [directory / "model.safetensors"]
            if not os.path.lexists(self.files[0]):
                raise FileNotFoundError(f"{self.files[0]}: no such file, and no model.safetensors.index.json beside it")
            return
        self.weight_map = self.index.object("weight_map").values
        for name in self.weight_map.values():
            if not isinstance(name, str) or Path(name).name != name or "\0" in name:
                raise ValueError(f"{self.index.file}: weight_map: expected file names in the same folder, got {name!r}")
        self.files = [directory / name for name in sorted(set(self.weight_map.values()))]
        for file in self.files:
            if not os.path.lexists(file):
                raise FileNotFoundError(f"{file}: shard named in {self.index.file.name} is missing")

    def tensors(self) -> dict[str, StoredTensor]:
        """Reads the headers and returns all tensors by name, in the order of the files."""
        stored: dict[str, StoredTensor] = {}
        for file in self.files:
            for tensor in _read_header(file, self.mmap):
                if tensor.name in stored:
                    raise ValueError(f"{file}: {tensor.name}: {stored[tensor.name].file.name} has this tensor as well")
                stored[tensor.name] = tensor
        if self.index is not None:
            for name, shard in self.weight_map.items():
                if name not in stored or stored[name].file.name != shard:
                    raise ValueError(f"{self.index.file}: weight_map: {shard} does not have {name}")
        return stored


def _read_header(file: Path, mmap: bool) -> Iterator[StoredTensor]:
    """Yields the tensors of one file.

    The package safetensors first checks that the header is sound. It is used for nothing else, because it returns
    copies of tensors, not views.
    """
    opened = open_file(file)
    try:
        with safe_open(opened.name, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ValueError(f"{file}: not a readable safetensors file: {error}") from None
    if not os.path.samestat(os.stat(opened.name), os.fstat(opened.fileno())):
        raise OSError(f"{file}: another file took this name while it was read")
    header_bytes = int.from_bytes(opened.read(8), "little")
    header: dict[str, Any] = json.loads(opened.read(header_bytes))
    source = OpenFile(opened, mmap)
    header.pop("__metadata__", None)
    for name, entry in header.items():
        begin, end = (8 + header_bytes + offset for offset in entry["data_offsets"])
        yield StoredTensor(file, name, entry["dtype"], tuple(entry["shape"]), source, begin, end)
