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

from gesso import _native
from gesso._native import FormatError
from gesso.files.checkpoint import short
from gesso.files.hf.config import read_json
from gesso.files.hf.folder_file import open_file
from gesso.files.hf.foreign import kind_of_file, looks_like
from gesso.files.regular_file import OpenFile
from gesso.files.tensor import FLOAT_TYPES, Array

# The NumPy type that holds each element type. NumPy lacks BF16 and F8_E4M3, so integers hold their bits.
NUMPY_TYPES: dict[str, type[np.generic]] = FLOAT_TYPES | {"F8_E4M3": np.uint8, "I8": np.int8, "U8": np.uint8}


MAX_SHARDS = 10_000  # a file's name must not choose how long a missing shard is looked for
CHUNK = 16 << 20  # bytes that are compared at a time


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
    twins: tuple[StoredTensor, ...] = ()  # tensors that must be equal, bit for bit

    @property
    def values(self) -> Array:
        """The values: a view of the mapped file, which may be unaligned, because the format aligns no single tensor; or
        what is read from the file now. Raises FormatError if a twin differs."""
        for twin in self.twins:
            self._check_twin(twin)
        return self.opened.part(self.begin, self.end).view(NUMPY_TYPES[self.dtype]).reshape(self.shape)

    def _check_twin(self, twin: StoredTensor) -> None:
        same = (twin.dtype, twin.shape) == (self.dtype, self.shape)
        for begin in range(self.begin, self.end, CHUNK) if same else ():
            end, moved = min(begin + CHUNK, self.end), twin.begin - self.begin
            same = same and np.array_equal(self.opened.part(begin, end), twin.opened.part(begin + moved, end + moved))
        twin.release()
        if not same:
            raise FormatError(
                f"{twin.file}: {twin.name}: expected the values of {self.name}; gesso runs models whose encoder and"
                " head share the decoder's weights"
            )

    def release(self) -> None:
        """Gives back the memory that reading the values from a mapped file has filled."""
        self.opened.release(self.begin, self.end)

    def error(self, expected: str) -> FormatError:
        return FormatError(f"{self.file}: {self.name}: expected {expected}, got {self.dtype} {list(self.shape)}")


class Shards:
    """The weight files of a folder. Making one checks that all names exist; `tensors` opens the files.

    mmap: False reads the values of a tensor each time they are asked for, instead of mapping the files.
    """

    def __init__(self, directory: Path, *, mmap: bool = True):
        self.mmap = mmap
        self._stored: dict[str, StoredTensor] | None = None
        self.index = read_json(directory / "model.safetensors.index.json")
        if self.index is None:
            self.files = _files_without_index(directory)
            return
        self.weight_map = self.index.object("weight_map").values
        _check_count(self.index.file, len(self.weight_map))
        for name in self.weight_map.values():
            if not isinstance(name, str) or not name or Path(name).name != name or "\0" in name:
                raise FormatError(
                    f"{self.index.file}: weight_map: expected file names in the same folder, got {short(name)}"
                )
        self.files = [directory / name for name in sorted(set(self.weight_map.values()))]
        for file in self.files:
            if not os.path.lexists(file):
                raise FileNotFoundError(f"{file}: shard named in {self.index.file.name} is missing")

    def tensors(self) -> dict[str, StoredTensor]:
        """Returns all tensors by name, in the order of the files. The first call reads the headers."""
        if self._stored is None:
            self._stored = self._read_headers()
        return self._stored

    def _read_headers(self) -> dict[str, StoredTensor]:
        stored: dict[str, StoredTensor] = {}
        for file in self.files:
            for tensor in _read_header(file, self.mmap):
                if tensor.name in stored:
                    raise FormatError(f"{file}: {tensor.name}: {stored[tensor.name].file.name} has this tensor as well")
                stored[tensor.name] = tensor
            _check_count(file, len(stored))
        if self.index is not None:
            for name, shard in self.weight_map.items():
                if name not in stored or stored[name].file.name != shard:
                    raise FormatError(f"{self.index.file}: weight_map: {shard} does not have {name}")
        return stored


def _check_count(file: Path, num_tensors: int) -> None:
    if num_tensors > _native.MAX_TENSORS:
        raise FormatError(f"{file}: expected at most {_native.MAX_TENSORS} tensors in the folder, got {num_tensors}")


def _files_without_index(directory: Path) -> list[Path]:
    """Returns model.safetensors, or a complete set of shards whose index is missing."""
    single = directory / "model.safetensors"
    if single.is_file():
        return [single]
    shards = sorted(directory.glob("model-*-of-*.safetensors"))
    if not shards:
        raise FileNotFoundError(
            f"{single}: no such file, and no model.safetensors.index.json beside it{looks_like(directory)}"
        )
    total = shards[0].stem.rpartition("-of-")[2]
    for number in range(1, min(int(total), MAX_SHARDS) + 1) if total.isdecimal() else ():
        file = directory / f"model-{number:0{len(total)}}-of-{total}.safetensors"
        if file not in shards:
            raise FileNotFoundError(f"{file}: no such file; it is one of {total} shards, and others of them are there")
    return shards


def _read_header(file: Path, mmap: bool) -> Iterator[StoredTensor]:
    """Yields the tensors of one file.

    The package safetensors first checks that the header is sound. It is used for nothing else, because it returns
    copies of tensors, not views.
    """
    opened = open_file(file, is_weights=True)
    header_bytes, most = int.from_bytes(opened.read(8), "little"), _native.MAX_HEADER_BYTES
    if header_bytes > most:
        expected = f"expected a header of at most {most} bytes, got {header_bytes}"
        raise FormatError(f"{file}: not a readable safetensors file: {expected}{kind_of_file(file)}")
    try:
        with safe_open(opened.name, framework="numpy"):
            pass
    except SafetensorError as error:
        raise FormatError(f"{file}: not a readable safetensors file: {error}{kind_of_file(file)}") from None
    if not os.path.samestat(os.stat(opened.name), os.fstat(opened.fileno())):
        raise OSError(f"{file}: another file took this name while it was read")
    header: dict[str, Any] = json.loads(opened.read(header_bytes))
    source = OpenFile(opened, mmap)
    header.pop("__metadata__", None)
    for name, entry in header.items():
        begin, end = (8 + header_bytes + offset for offset in entry["data_offsets"])
        yield StoredTensor(file, name, entry["dtype"], tuple(entry["shape"]), source, begin, end)
