"""Weights as files store them: one on its way from file to file, and rows of values in any tensor type."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from gesso import _native

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
FLOAT_TYPES = {
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
}  # types without blocks, and how NumPy holds them


class TensorType(NamedTuple):
    """A type that a tensor of a GGUF file may have."""

    id: int  # ggml's, as files store it
    block_elements: int  # a row's length must be a multiple of this
    block_bytes: int
    can_read: bool  # gesso computes with it
    can_write: bool  # gesso quantises to it


@cache
def tensor_types() -> dict[str, TensorType]:
    """All types that a GGUF file may hold, by ggml's names."""
    native = _native.tensor_types()
    return {entry.name: TensorType(*(getattr(entry, field) for field in TensorType._fields)) for entry in native}


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
        raise _native.ArgumentError(f"unknown tensor type {dtype!r}; known: {', '.join(tensor_types())}")
    entry = tensor_types()[dtype]
    if shape[-1] % entry.block_elements:
        raise _native.ArgumentError(
            f"rows of {shape[-1]} elements are no whole number of {dtype} blocks of {entry.block_elements}"
        )
    return math.prod(shape) // entry.block_elements * entry.block_bytes


def quantize(values: Any, dtype: str, *, importance: Any = None, num_threads: int = 0) -> np.ndarray:
    """Rows of values as a GGUF file stores them in type `dtype`, for example "Q4_K".

    values: finite float32 [..., columns]. importance: float32 [columns], what a square error in each column counts;
    None means all the same. Returns uint8 [..., bytes of a row]. ValueError for a type that gesso cannot write, rows
    that are no whole number of its blocks and values that it cannot hold.
    """
    values = np.ascontiguousarray(values, np.float32)
    columns = values.shape[-1]
    row_bytes = stored_bytes(dtype, (columns,))
    if values.size == 0:
        return np.empty((*values.shape[:-1], row_bytes), np.uint8)
    if importance is not None:
        importance = np.ascontiguousarray(importance, np.float32)
    data = values.reshape(-1).view(np.uint8)
    stored = _native.quantize("F32", data, dtype, columns, importance, num_threads=num_threads)
    return stored.reshape(*values.shape[:-1], row_bytes)


def dequantize(data: Any, dtype: str, *, num_threads: int = 0) -> np.ndarray:
    """The float32 values [..., columns] of rows stored in type `dtype`: uint8 [..., bytes of a row].

    ValueError for a type that gesso cannot read and for rows that are no whole number of its blocks.
    """
    data = np.ascontiguousarray(data)
    if data.dtype != np.uint8:
        raise _native.ArgumentError(f"data: expected uint8 [..., bytes of a row], got {data.dtype} {list(data.shape)}")
    stored_bytes(dtype, (0,))
    entry = tensor_types()[dtype]
    if data.shape[-1] % entry.block_bytes:
        raise _native.ArgumentError(
            f"data: {data.shape[-1]} bytes are no whole number of {dtype} blocks of {entry.block_bytes}"
        )
    columns = data.shape[-1] // entry.block_bytes * entry.block_elements
    return _native.dequantize(dtype, data.reshape(-1), num_threads).reshape(*data.shape[:-1], columns)


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
