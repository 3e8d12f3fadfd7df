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

from gesso.files.hf.config import read_json
from gesso.files.hf.foreign import kind_of_file, looks_like
from gesso.files.tensor import FLOAT_TYPES, Array, release_pages

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
    mapped: npt.NDArray[np.uint8]  # the tensor's bytes in the mapped file
    twins: tuple[StoredTensor, ...] = ()  # tensors that must be equal, bit for bit

    @property
    def values(self) -> Array:
        """The values, as a view of the mapped file. It may be unaligned, because the format aligns no single tensor.

        Raises ValueError if a twin differs.
        """
        for twin in self.twins:
            self._check_twin(twin)
        return self.mapped.view(NUMPY_TYPES[self.dtype]).reshape(self.shape)

    def _check_twin(self, twin: StoredTensor) -> None:
        same = (twin.dtype, twin.shape) == (self.dtype, self.shape)
        for begin in range(0, len(self.mapped), CHUNK) if same else ():
            same = same and np.array_equal(self.mapped[begin : begin + CHUNK], twin.mapped[begin : begin + CHUNK])
        twin.release()
        if not same:
            raise ValueError(
                f"{twin.file}: {twin.name}: expected the values of {self.name}; gesso runs models whose encoder and"
                " head share the decoder's weights"
            )

    def release(self) -> None:
        """Gives back the memory that reading the values has filled."""
        release_pages(self.mapped)

    def error(self, expected: str) -> ValueError:
        return ValueError(f"{self.file}: {self.name}: expected {expected}, got {self.dtype} {list(self.shape)}")


class Shards:
    """The weight files of a folder. Making one checks that all files exist; it does not read their headers."""

    def __init__(self, directory: Path):
        self.index = read_json(directory / "model.safetensors.index.json")
        if self.index is None:
            self.files = _files_without_index(directory)
            return
        self.weight_map = self.index.object("weight_map").values
        for name in self.weight_map.values():
            if not isinstance(name, str) or Path(name).name != name:
                raise ValueError(f"{self.index.file}: weight_map: expected file names in the same folder, got {name!r}")
        self.files = [directory / name for name in sorted(set(self.weight_map.values()))]
        for file in self.files:
            if not file.is_file():
                raise FileNotFoundError(f"{file}: shard named in {self.index.file.name} is missing")

    def tensors(self) -> dict[str, StoredTensor]:
        """Reads the headers and returns all tensors by name, in the order of the files."""
        stored: dict[str, StoredTensor] = {}
        for file in self.files:
            for tensor in _read_header(file):
                if tensor.name in stored:
                    raise ValueError(f"{file}: {tensor.name}: {stored[tensor.name].file.name} has this tensor as well")
                stored[tensor.name] = tensor
        if self.index is not None:
            for name, shard in self.weight_map.items():
                if name not in stored or stored[name].file.name != shard:
                    raise ValueError(f"{self.index.file}: weight_map: {shard} does not have {name}")
        return stored


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


def _read_header(file: Path) -> Iterator[StoredTensor]:
    """Yields the tensors of one file, as views of the mapped file.

    The package safetensors first checks that the header is sound. It is used for nothing else, because it returns
    copies of tensors, not views.
    """
    try:
        with safe_open(file, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ValueError(f"{file}: not a readable safetensors file: {error}{kind_of_file(file)}") from None
    with open(file, "rb") as opened:
        header_bytes = int.from_bytes(opened.read(8), "little")
        header: dict[str, Any] = json.loads(opened.read(header_bytes))
    data = np.memmap(file, np.uint8, "r").view(np.ndarray)[8 + header_bytes :]
    header.pop("__metadata__", None)
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        yield StoredTensor(file, name, entry["dtype"], tuple(entry["shape"]), data[begin:end])
