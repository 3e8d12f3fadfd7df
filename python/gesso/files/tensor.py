"""Weights as files store them: a tensor, the tensor types, and the conversion of rows of values between types."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from gesso import _native

Array = npt.NDArray[Any]  # of an element type that a type checker cannot know
LEAST_FLOAT32, LARGEST_FLOAT32 = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
FLOAT_TYPES: dict[str, type[np.generic]] = {
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
}  # the types without blocks, and the NumPy type that holds each; NumPy has no bf16, so uint16 holds its bits


class TensorType(NamedTuple):
    """A type that a tensor of a GGUF file may have."""

    id: int  # ggml's number for the type, which files store
    block_elements: int  # a row's length must be a multiple of this
    block_bytes: int
    can_read: bool  # whether gesso can compute with it
    can_write: bool  # whether gesso can quantise to it


@cache
def tensor_types() -> dict[str, TensorType]:
    """Maps ggml's names to all types that a GGUF file may hold."""
    native = _native.tensor_types()
    return {entry.name: TensorType(*(getattr(entry, field) for field in TensorType._fields)) for entry in native}


@dataclass(frozen=True)
class Tensor:
    """One weight under its GGUF name. Its shape has the outermost dimension first, as in NumPy.

    `data` is C-contiguous. Its element type depends on `dtype`: float32 for "F32", float16 for "F16", uint16 with the
    stored bits for "BF16". For a block format such as "Q8_0" it is uint8, and a row of `data` has the bytes of a row.
    `values` is an array or a function. The function makes the array again each time the values are asked for. A view of
    a mapped file takes no memory before it is read.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    values: Array | Callable[[], Array]
    source: str = ""  # the tensor's name in a Hugging Face folder, for messages

    @property
    def data(self) -> Array:
        return self.values() if callable(self.values) else self.values

    @property
    def num_elements(self) -> int:
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        return stored_bytes(self.dtype, self.shape)

    def to_float32(self) -> npt.NDArray[np.float32]:
        """Returns the values as float32, in the tensor's shape."""
        data = np.ascontiguousarray(self.data).reshape(-1).view(np.uint8)
        return _native.dequantize(self.dtype, data).reshape(self.shape)


def fits_float32(number: float) -> bool:
    """Whether float32 holds a number with all its digits: 0, or a magnitude from 1.2e-38 to 3.4e38."""
    return number == 0 or LEAST_FLOAT32 <= abs(number) <= LARGEST_FLOAT32


def stored_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Returns the size of a tensor in bytes.

    Raises ValueError if the type does not exist or if a row is not a whole number of its blocks.
    """
    if dtype not in tensor_types():
        raise _native.ArgumentError(f"unknown tensor type {dtype!r}; known: {', '.join(tensor_types())}")
    entry = tensor_types()[dtype]
    if shape[-1] % entry.block_elements:
        raise _native.ArgumentError(
            f"rows of {shape[-1]} elements are no whole number of {dtype} blocks of {entry.block_elements}"
        )
    return math.prod(shape) // entry.block_elements * entry.block_bytes


def quantize(
    values: npt.ArrayLike, dtype: str, *, importance: npt.ArrayLike | None = None, num_threads: int = 0
) -> npt.NDArray[np.uint8]:
    """Converts rows of values to the bytes that a GGUF file stores for them in type `dtype`, for example "Q4_K".

    values: float32 [..., columns]; they must be finite.
    importance: float32 [columns], how much a squared error in each column counts; None means that all count the same.
    num_threads: 0 means one thread per processor.

    Returns uint8 [..., bytes of a row]. Raises ValueError if gesso cannot write the type, if a row is not a whole
    number of its blocks or if the type cannot hold a value.
    """
    rows = np.ascontiguousarray(values, np.float32)
    columns = rows.shape[-1]
    row_bytes = stored_bytes(dtype, (columns,))
    if rows.size == 0:
        return np.empty((*rows.shape[:-1], row_bytes), np.uint8)
    weights = None if importance is None else np.ascontiguousarray(importance, np.float32)
    data = rows.reshape(-1).view(np.uint8)
    stored = _native.quantize("F32", data, dtype, columns, weights, num_threads=num_threads)
    return stored.reshape(*rows.shape[:-1], row_bytes)


def dequantize(data: npt.ArrayLike, dtype: str, *, num_threads: int = 0) -> npt.NDArray[np.float32]:
    """Converts stored rows, uint8 [..., bytes of a row], from type `dtype` to float32 values [..., columns].

    num_threads: 0 means one thread per processor. Raises ValueError if gesso cannot read the type or if a row is not a
    whole number of its blocks.
    """
    rows: Array = np.ascontiguousarray(data)
    if rows.dtype != np.uint8:
        raise _native.ArgumentError(f"data: expected uint8 [..., bytes of a row], got {rows.dtype} {list(rows.shape)}")
    stored_bytes(dtype, (0,))
    entry = tensor_types()[dtype]
    if rows.shape[-1] % entry.block_bytes:
        raise _native.ArgumentError(
            f"data: {rows.shape[-1]} bytes are no whole number of {dtype} blocks of {entry.block_bytes}"
        )
    columns = rows.shape[-1] // entry.block_bytes * entry.block_elements
    return _native.dequantize(dtype, rows.reshape(-1), num_threads).reshape(*rows.shape[:-1], columns)


@runtime_checkable
class Releasable(Protocol):
    """What owns the bytes of an array, and can give back the memory that they take."""

    def release_pages(self, array: Array) -> None: ...


def release_pages(array: Array) -> None:
    """Gives back the memory that reading a view of a mapped file has filled. Reading it again loads it again.

    For other arrays it does nothing. A view of a GGUF file has a base that knows how to do it.
    """
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, Releasable):
        base.release_pages(array)
        return
    if not isinstance(base, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED") or array.nbytes == 0:
        return
    first = array.ctypes.data - np.frombuffer(base, np.uint8).ctypes.data
    start = first - first % mmap.PAGESIZE  # the first page may also hold another tensor's bytes; they are loaded again
    base.madvise(mmap.MADV_DONTNEED, start, first + array.nbytes - start)
