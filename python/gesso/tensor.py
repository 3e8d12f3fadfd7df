"""One weight on its way between files: from a Hugging Face folder or a GGUF file to a GGUF file."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from gesso import _native


@cache
def tensor_types() -> dict[str, _native.TensorType]:
    """All types that a GGUF file may hold, by ggml's names."""
    return {entry.name: entry for entry in _native.tensor_types()}


@dataclass(frozen=True)
class Tensor:
    """One weight under its GGUF name. Shapes are outermost dimension first, as in NumPy.

    `data` is C-contiguous. Its element type follows `dtype`: float32 for "F32", float16 for "F16", uint16 for "BF16"
    (the bits as stored); for a block format such as "Q8_0" it is uint8, each row being that row's bytes. A view of a
    mapped file costs no memory; `values` may also be a function that makes the array anew each time it is asked for.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    values: np.ndarray | Callable[[], np.ndarray]
    source: str = ""  # the HF name, for messages

    @property
    def data(self) -> np.ndarray:
        return self.values() if callable(self.values) else self.values

    @property
    def num_elements(self) -> int:
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        return stored_bytes(self.dtype, self.shape)

    def to_float32(self) -> np.ndarray:
        """The values as float32, in the tensor's shape."""
        data = np.ascontiguousarray(self.data).reshape(-1).view(np.uint8)
        return _native.dequantize(self.dtype, data).reshape(self.shape)


def stored_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor; ValueError for a type that does not exist and for rows that are no whole number of blocks."""
    if dtype not in tensor_types():
        raise ValueError(f"unknown tensor type {dtype!r}; known: {', '.join(tensor_types())}")
    entry = tensor_types()[dtype]
    if shape[-1] % entry.block_elements:
        raise ValueError(
            f"rows of {shape[-1]} elements are no whole number of {dtype} blocks of {entry.block_elements}"
        )
    return math.prod(shape) // entry.block_elements * entry.block_bytes


def release_pages(array: np.ndarray) -> None:
    """Lets the system drop the memory that a view of a mapped file has filled; reading it again loads it again.

    Does nothing for other arrays.
    """
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    if not isinstance(base, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED") or array.nbytes == 0:
        return
    first = array.ctypes.data - np.frombuffer(base, np.uint8).ctypes.data
    start = first - first % mmap.PAGESIZE  # a page that a neighbour shares is loaded again when it is read
    base.madvise(mmap.MADV_DONTNEED, start, first + array.nbytes - start)
