"""Metadata in the bytes of a GGUF file: which GGUF type a Python value gets."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gesso.files.checkpoint import Value
from gesso.files.tensor import fits_float32


@dataclass(frozen=True)
class Encoded:
    """A metadata value in the bytes that a GGUF file has for it: the value's type (u32), then the value.

    It is copied to the new file bit for bit.
    """

    data: bytes


Metadata = Mapping[str, Value | np.generic | npt.NDArray[np.generic] | Encoded]
STRING, ARRAY = 8, 9  # GGUF's numbers for the types of values
NUMBERS = {"u1": 0, "i1": 1, "u2": 2, "i2": 3, "u4": 4, "i4": 5, "f4": 6, "b1": 7, "u8": 10, "i8": 11, "f8": 12}
IN_LISTS = {bool: np.bool_, int: np.int32, float: np.float32}


def encode_value(key: str, value: object) -> bytes:
    """Returns the bytes that a GGUF file has for a metadata value. Its Python type decides its GGUF type.

    A bool becomes bool, an int u32 (i32 below zero), a float f32, a str string. The items of a list become the same,
    but ints in lists are always i32. NumPy's scalars and arrays keep their own types: np.uint64(1) becomes u64. An
    empty list becomes one of i32.
    """
    _check_range(key, value)
    if isinstance(value, Encoded):
        return value.data
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _string(value)
    if isinstance(value, (list, tuple)):
        kind = type(value[0]) if value else int
        if any(type(item) is not kind for item in value) or kind not in (*IN_LISTS, str):
            raise ValueError(f"{key}: expected a list of bools, of ints, of floats or of strings, got {value[:4]!r}...")
        if kind is str:
            return struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(_string, value))
        value = np.array(value, IN_LISTS[kind])
    if isinstance(value, np.ndarray):
        return struct.pack("<IIQ", ARRAY, _number_type(key, value), value.size) + _numbers(value)
    if isinstance(value, (bool, int, float)) and not isinstance(value, np.generic):  # np.float64 is a float, too
        value = _as_stored(value)
    if isinstance(value, np.generic):
        return struct.pack("<I", _number_type(key, value)) + _numbers(value)
    raise ValueError(f"{key}: expected a bool, int, float, string or list, got {value!r}")


def _as_stored(value: bool | int | float) -> np.generic:
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, float):
        return np.float32(value)
    return np.uint32(value) if value >= 0 else np.int32(value)


def _number_type(key: str, value: np.generic | npt.NDArray[np.generic]) -> int:
    kind = f"{value.dtype.kind}{value.dtype.itemsize}"
    if kind not in NUMBERS or value.ndim > 1:
        raise ValueError(f"{key}: expected numbers that a GGUF file can hold, got {value.dtype} {list(value.shape)}")
    return NUMBERS[kind]


def _numbers(value: np.generic | npt.NDArray[np.generic]) -> bytes:
    return value.astype(value.dtype.newbyteorder("<")).tobytes()


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _check_range(key: str, value: object) -> None:
    """Raises ValueError if a Python number does not fit into the 32 bits that it would get."""
    for number in value if isinstance(value, (list, tuple)) else [value]:
        most = np.iinfo(np.int32 if isinstance(value, (list, tuple)) else np.uint32).max
        if type(number) is int and not np.iinfo(np.int32).min <= number <= most:
            raise ValueError(f"{key}: {number} does not fit 32 bits")
        if type(number) is float and np.isfinite(number) and not fits_float32(number):
            raise ValueError(f"{key}: {number} is beyond the range of float32")
