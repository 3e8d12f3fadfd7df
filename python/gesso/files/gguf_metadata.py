"""Adds metadata to the package `gguf`'s writer: which GGUF type a Python value gets."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gesso.files.checkpoint import Value
from gesso.files.tensor import fits_float32

if TYPE_CHECKING:  # slow to import, and only writing needs it
    from gguf import GGUFWriter


@dataclass(frozen=True)
class Encoded:
    """A metadata value in the bytes that a GGUF file has for it: the value's type (u32), then the value.

    It is copied to the new file bit for bit.
    """

    data: bytes


Metadata = Mapping[str, Value | np.generic | npt.NDArray[np.generic] | Encoded]
EMPTY_LIST = Encoded(struct.pack("<IIQ", 9, 5, 0))  # an array of i32 without items


def add_value(writer: GGUFWriter, key: str, value: object) -> None:
    """Adds one metadata value. Its Python type decides its GGUF type.

    A bool becomes bool, an int u32 (i32 below zero), a float f32, a str string. The items of a list become the same,
    but ints in lists are always i32. NumPy's scalars and arrays keep their own types: np.uint64(1) becomes u64. An
    empty list becomes one of i32; the package cannot write it.
    """
    from gguf import GGUFValueType as value_type

    _check_range(key, value)
    value = EMPTY_LIST if isinstance(value, (list, tuple)) and not value else value
    if isinstance(value, Encoded):
        writer.add_key_value(key, value, value_type(int.from_bytes(value.data[:4], "little")))
    elif isinstance(value, (list, tuple)):
        kinds = {bool: value_type.BOOL, int: value_type.INT32, float: value_type.FLOAT32, str: value_type.STRING}
        if len({type(item) for item in value}) != 1 or type(value[0]) not in kinds:
            raise ValueError(f"{key}: expected a list of bools, of ints, of floats or of strings, got {value[:4]!r}...")
        writer.add_key_value(key, value, value_type.ARRAY, sub_type=kinds[type(value[0])])
    elif isinstance(value, np.ndarray):
        writer.add_key_value(key, value.tolist(), value_type.ARRAY, sub_type=value_type[_numpy_type(value.dtype)])
    elif isinstance(value, np.generic):
        writer.add_key_value(key, value.item(), value_type[_numpy_type(value.dtype)])
    elif isinstance(value, bool):
        writer.add_key_value(key, value, value_type.BOOL)
    elif isinstance(value, int):
        writer.add_key_value(key, value, value_type.UINT32 if value >= 0 else value_type.INT32)
    elif isinstance(value, float):
        writer.add_key_value(key, value, value_type.FLOAT32)
    elif isinstance(value, str):
        writer.add_key_value(key, value, value_type.STRING)
    else:
        raise ValueError(f"{key}: expected a bool, int, float, string or list, got {value!r}")


def _numpy_type(dtype: np.dtype[Any]) -> str:
    """The name of GGUF's type: "UINT64" for np.uint64."""
    names = {"b": "BOOL", "u": "UINT", "i": "INT", "f": "FLOAT"}
    return names[dtype.kind] + ("" if dtype.kind == "b" else str(8 * dtype.itemsize))


def _check_range(key: str, value: object) -> None:
    """Raises ValueError if a Python number does not fit into the 32 bits that it would get."""
    for number in value if isinstance(value, (list, tuple)) else [value]:
        most = np.iinfo(np.int32 if isinstance(value, (list, tuple)) else np.uint32).max
        if type(number) is int and not np.iinfo(np.int32).min <= number <= most:
            raise ValueError(f"{key}: {number} does not fit 32 bits")
        if type(number) is float and np.isfinite(number) and not fits_float32(number):
            raise ValueError(f"{key}: {number} is beyond the range of float32")
