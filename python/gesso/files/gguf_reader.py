"""Reads a GGUF file for writing it anew: all its metadata to the bit, and its tensors as `Tensor`s."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from gesso import _native
from gesso.files.gguf_writer import Encoded
from gesso.files.tensor import FLOAT_TYPES, Tensor


class GgufSource:
    """`metadata` for `write_gguf`, and `tensors()`. The interface of `hf.folder.Checkpoint`."""

    def __init__(self, path: Path):
        self.path = path
        self.checkpoint = _native.Checkpoint.open(os.fsencode(path))
        self.values = self.checkpoint.metadata  # for reading

    @property
    def metadata(self) -> dict[str, Any]:
        """Values as they are stored, but for the architecture, which the writer needs as text, and the alignment."""
        metadata: dict[str, Any] = {key: self._encoded(key) for key in self.values}
        metadata.pop("general.alignment", None)  # the writer lays the tensors out anew
        if isinstance(self.values.get("general.architecture"), str):
            metadata["general.architecture"] = self.values["general.architecture"]
        return metadata

    def _encoded(self, key: str) -> Encoded:
        try:
            return Encoded(self.checkpoint.encoded_value(key))
        except ValueError:  # `values` shows such a key, but not under its own name
            raise _native.FormatError(f"{self.path}: metadata key {key}: expected UTF-8") from None

    def tensors(self) -> list[Tensor]:
        """All tensors in the file's order, as views of the mapped file."""
        mapped = np.memmap(self.path, np.uint8, "r")
        return [_to_tensor(mapped, info) for info in self.checkpoint.tensors]


def _to_tensor(mapped: np.ndarray, info: _native.TensorInfo) -> Tensor:
    data = mapped[info.offset : info.offset + info.num_bytes]
    shape = tuple(info.shape)
    if info.type in FLOAT_TYPES:
        data = data.view(FLOAT_TYPES[info.type]).reshape(shape)
    else:
        data = data.reshape(*shape[:-1], -1)
    return Tensor(info.name, info.type, shape, data)


def read_gguf(path: str | os.PathLike[str]) -> GgufSource:
    """Opens a GGUF file; FormatError and OSError as `gesso.load` raises them."""
    return GgufSource(Path(path))
