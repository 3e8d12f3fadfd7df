"""Reads a GGUF file so that `write_gguf` can write it again: its metadata bit for bit, and its tensors."""

from __future__ import annotations

import os

import numpy as np

from gesso import _native
from gesso.files.gguf_metadata import Encoded, Metadata
from gesso.files.regular_file import AnyPath, as_path
from gesso.files.tensor import FLOAT_TYPES, Array, Tensor


def open_gguf(path: AnyPath, *, mmap: bool = True) -> _native.Checkpoint:
    """Opens a GGUF file, or all parts of a split one, of which `path` may be any."""
    return _native.Checkpoint.open(os.fsencode(as_path(path)), mmap)


class GgufSource:
    """A GGUF file. Like `hf.folder.Checkpoint` it has `metadata` and `tensors()`, as `write_gguf` takes them."""

    def __init__(self, path: AnyPath, *, mmap: bool = True):
        self.path = as_path(path)
        self.checkpoint = open_gguf(path, mmap=mmap)
        self.values = self.checkpoint.metadata  # the metadata as Python values

    @property
    def metadata(self) -> Metadata:
        """The metadata in their stored bytes, without the keys that only suit the files that were read."""
        return {self._text(key): Encoded(value) for key, value in _native.copied_metadata(self.checkpoint)}

    def _text(self, key: bytes) -> str:
        try:
            return key.decode()
        except UnicodeDecodeError:
            name = key.decode(errors="backslashreplace")
            raise _native.FormatError(f"{self.path}: metadata key {name}: expected UTF-8") from None

    def tensors(self) -> list[Tensor]:
        """Returns all tensors in the file's order. Their values are views of the file's bytes."""
        return [_to_tensor(self.checkpoint, info) for info in self.checkpoint.tensors]


class _Stored:
    """A tensor's bytes in a checkpoint. NumPy makes a view of them, whose base is this object, so they stay alive."""

    def __init__(self, checkpoint: _native.Checkpoint, info: _native.TensorInfo):
        self._checkpoint = checkpoint
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (info.num_bytes,),
            "data": (info.address, True),  # True: read-only
        }

    def release_pages(self, array: Array) -> None:
        """Gives back the memory that reading `array`, a view of the bytes, has filled."""
        self._checkpoint.release(array.ctypes.data, array.nbytes)


def _to_tensor(checkpoint: _native.Checkpoint, info: _native.TensorInfo) -> Tensor:
    data: Array = np.asarray(_Stored(checkpoint, info))
    shape = tuple(info.shape)
    if info.type in FLOAT_TYPES:
        data = data.view(FLOAT_TYPES[info.type]).reshape(shape)
    else:
        data = data.reshape(*shape[:-1], -1)
    return Tensor(info.name, info.type, shape, data)


def read_gguf(path: AnyPath, *, mmap: bool = True) -> GgufSource:
    """Opens a GGUF file, or all parts of a split one, of which `path` may be any.

    mmap: False reads the files into memory, see `gesso.load`. Raises FormatError and OSError as `gesso.load` does.
    """
    return GgufSource(path, mmap=mmap)
