"""Reads a GGUF file so that `write_gguf` can write it again: its metadata bit for bit, and its tensors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.files.gguf_writer import Encoded, Metadata
from gesso.files.tensor import FLOAT_TYPES, Array, Tensor


class GgufSource:
    """A GGUF file. Like `hf.folder.Checkpoint` it has `metadata` and `tensors()`, as `write_gguf` takes them."""

    def __init__(self, path: Path):
        self.path = path
        self.checkpoint = _native.Checkpoint.open(os.fsencode(path))
        self.values = self.checkpoint.metadata  # the metadata as Python values

    @property
    def metadata(self) -> Metadata:
        """The metadata in their stored bytes.

        There are two exceptions: general.architecture is text, because the writer needs it so, and general.alignment is
        left out.
        """
        metadata: dict[str, Encoded | str] = {key: self._encoded(key) for key in self.values}
        metadata.pop("general.alignment", None)  # the writer places the tensors with an alignment of its own
        architecture = self.values.get("general.architecture")
        if isinstance(architecture, str):
            metadata["general.architecture"] = architecture
        return metadata

    def _encoded(self, key: str) -> Encoded:
        try:
            return Encoded(self.checkpoint.encoded_value(key))
        except ValueError:  # `values` has a key that is not UTF-8 under a changed name, which the file does not have
            raise _native.FormatError(f"{self.path}: metadata key {key}: expected UTF-8") from None

    def tensors(self) -> list[Tensor]:
        """Returns all tensors in the file's order. Their values are views of the mapped file."""
        mapped = np.memmap(self.path, np.uint8, "r")
        return [_to_tensor(mapped, info) for info in self.checkpoint.tensors]


def _to_tensor(mapped: npt.NDArray[np.uint8], info: _native.TensorInfo) -> Tensor:
    data: Array = mapped[info.offset : info.offset + info.num_bytes]
    shape = tuple(info.shape)
    if info.type in FLOAT_TYPES:
        data = data.view(FLOAT_TYPES[info.type]).reshape(shape)
    else:
        data = data.reshape(*shape[:-1], -1)
    return Tensor(info.name, info.type, shape, data)


def read_gguf(path: str | os.PathLike[str]) -> GgufSource:
    """Opens a GGUF file. Raises FormatError and OSError as `gesso.load` does."""
    return GgufSource(Path(path))
