"""Converts arguments, as callers write them, into what the native library takes."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Mapping, Sequence, Sized
from types import NoneType
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from gesso import _native
from gesso._native import OptionKind

# What the native library takes as the value of an option.
NativeValue = (
    int | float | Sequence[int] | Sequence[str] | Sequence[Sequence[int]] | Sequence[Sequence[Mapping[int, int]]]
)


def is_ids(value: object) -> TypeGuard[Sequence[int] | NDArray[np.integer]]:
    """Whether `value` is one list of token ids: a list of ints or a 1-D integer array. It may be empty."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and np.issubdtype(value.dtype, np.integer)
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes, bytearray)):
        return False
    return all(_is_int(x) for x in value)


def as_array(value: object) -> Any:
    """Returns an array of another library (DLPack) as a NumPy array over the same memory, other values unchanged."""
    if not isinstance(value, np.ndarray) and hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    return value


def as_ids(value: object, what: str) -> list[int]:
    """Converts one list of token ids to plain ints. An integer array serves as well as a list."""
    value = as_array(value)
    if not is_ids(value):
        raise TypeError(f"{what}: expected a list of token ids, got {_short(value)}")
    ids = [int(x) for x in value]
    for token in ids:
        if not 0 <= token < 2**31:
            raise _native.ArgumentError(f"{what}: token id {token} outside the vocabulary")
    return ids


def as_batch_size(value: object) -> int:
    """Converts the number of sequences of a session. The native library checks a number that fits 64 bits again."""
    if not _is_int(value):
        raise TypeError(f"batch_size: expected an int, got {_short(value)}")
    if not 1 <= value <= _native.MAX_BATCH:
        raise _native.ArgumentError(f"batch_size: expected 1 to {_native.MAX_BATCH}, got {_short(int(value))}")
    return int(value)


def as_lengths(value: object, what: str) -> list[int]:
    """Converts one length for all sequences, or one for each."""
    lengths = [value] if _is_int(value) else as_array(value)
    if not is_ids(lengths):
        raise TypeError(f"{what}: expected an int, or one per sequence, got {_short(value)}")
    for length in lengths:
        if not -(2**63) <= length < 2**63:
            raise _native.ArgumentError(f"{what}: {length} is out of range")
    return [int(x) for x in lengths]


def as_id_lists(value: object, batch_size: int, what: str) -> list[list[int]]:
    """Converts a list of token ids for each sequence. A bare list serves for a batch of one."""
    value = as_array(value)
    if batch_size == 1 and is_ids(value):
        value = [value]
    if not isinstance(value, (list, tuple, np.ndarray)):
        raise TypeError(f"{what}: expected a list of token ids for each of {batch_size} sequences, got {_short(value)}")
    if len(value) != batch_size:
        raise _native.ArgumentError(f"{what}: expected one entry per sequence ({batch_size}), got {len(value)}")
    return [as_ids(x, what) for x in value]


def as_integer(name: str, value: object, least: int = -(2**63), most: int = 2**63 - 1) -> int:
    """Converts an integer argument. The bounds are part of the range."""
    if not _is_int(value):
        raise TypeError(f"{name}: expected an int, got {_short(value)}")
    if not least <= value <= most:
        bounds = f"at least {least}" if value < least else f"at most {most}"
        raise _native.ArgumentError(f"{name}: expected {bounds}, got {_short(int(value))}")
    return int(value)


def as_seconds(name: str, value: object) -> float | None:
    """Converts a time. None means that there is no limit."""
    if value is None:
        return None
    seconds = _float(name, value, "float64")
    if math.isnan(seconds):
        raise _native.ArgumentError(f"{name}: expected seconds, got {seconds}")
    return seconds


def as_timeout(value: object) -> float | None:
    seconds = as_seconds("timeout", value)
    if seconds is not None and seconds <= 0:
        raise _native.ArgumentError(f"timeout: expected seconds > 0, got {seconds}")
    return seconds


def as_bool(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name}: expected True or False, got {_short(value)}")
    return value


def as_str(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a str, got {_short(value)}")
    return value


def as_bytes(name: str, value: object) -> bytes:
    """Converts a text that only has to differ from other ones."""
    return as_str(name, value).encode("utf-8", "surrogatepass")


def as_prompts(value: object) -> Iterable[Any]:
    """Checks that `value` has any number of prompts, and is not a prompt itself. The prompts are not looked at."""
    value = as_array(value)
    is_prompt = isinstance(value, str) or (is_ids(value) and len(value) > 0)
    if is_prompt or not _is_iterable(value):
        raise TypeError(f"prompts: expected an iterable of prompts, for example a list, got {_short(value)}")
    return value


def as_seeds_of_many(value: object, prompts: Iterable[object]) -> Iterable[Any]:
    """Converts one seed for all prompts, or an iterable with one for each. The seeds are not looked at. None: random
    ones."""
    if value is None:
        return iter(draw_seed, None)
    value = as_array(value)
    if not _is_iterable(value):
        if not _is_int(value):
            raise TypeError(f"seed: expected an int, or an iterable with one for each prompt, got {_short(value)}")
        _seeds("seed", value, 1)
        return itertools.repeat(value)
    if isinstance(value, Sized) and isinstance(prompts, Sized) and len(value) < len(prompts):
        raise _native.ArgumentError(f"seed: expected one for each of {len(prompts)} prompts, got {len(value)}")
    return value


def _is_iterable(value: object) -> TypeGuard[Iterable[Any]]:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray, Mapping))


def make_options(
    given: Mapping[str, object], batch_size: int, single: bool, call: str = "generate"
) -> dict[str, NativeValue]:
    """Returns the options by their names, as the native library takes them.

    single: whether the caller gave one prompt, so that `pinned` may leave out the list over the sequences.
    call: the method that got them, for messages.
    TypeError for an option that the table does not have, and for a value of the wrong kind. The native library checks
    ranges.
    """
    table = {option.name: option for option in _native.generation_options()}
    unknown = given.keys() - table.keys()
    if unknown:
        raise TypeError(f"{call}() got an unexpected keyword argument {sorted(unknown)[0]!r}")
    return {
        name: _convert(table[name], value, batch_size, single)
        for name, value in given.items()
        if not (value is None and _can_be_none(table[name]))
    }


def _can_be_none(option: _native.OptionInfo) -> bool:
    """Whether None is allowed. It stands for the checkpoint's value, or for nothing where that is the default."""
    return option.checkpoint_key != "" or option.default_value == []


def _convert(option: _native.OptionInfo, value: object, batch_size: int, single: bool) -> NativeValue:
    match option.kind:
        case OptionKind.INT:
            return _integer(option.name, value)
        case OptionKind.FLOAT:
            return _float(option.name, value)
        case OptionKind.IDS:
            return as_ids(value, option.name)
        case OptionKind.SEEDS:
            return _seeds(option.name, value, batch_size)
        case OptionKind.CANVAS:
            return as_id_lists(value, batch_size, option.name)
        case OptionKind.PINNED:
            return _pinned(value, batch_size, single)
        case OptionKind.TEXTS:
            return _texts(option.name, value)
    raise NotImplementedError(f"{option.name}: an option of kind {option.kind}")


def _integer(name: str, value: object) -> int:
    if not _is_int(value):
        raise TypeError(f"{name}: expected an int, got {value!r}")
    if not -(2**63) <= value < 2**63:
        raise _native.ArgumentError(f"{name}: {value} is out of range")
    return int(value)


def _float(name: str, value: object, holder: str = "float32") -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise _native.ArgumentError(f"{name}: expected a number that a {holder} holds, got {_short(value)}") from None


def draw_seed() -> int:
    """A random seed. It is below 2^53, so that every reader of JSON keeps all its digits."""
    return int.from_bytes(os.urandom(8), "little") >> 11


def _seeds(name: str, value: object, batch_size: int) -> list[int]:
    if value is None:
        return [draw_seed() for _ in range(batch_size)]
    seeds = [value] if _is_int(value) else as_array(value)
    if not is_ids(seeds):
        raise TypeError(f"{name}: expected an int, or one per sequence, got {_short(value)}")
    for seed in seeds:
        if not 0 <= seed < 2**64:
            hint = "; None draws one" if seed < 0 else ""
            raise _native.ArgumentError(f"{name}: expected 0 to 2^64 - 1, got {seed}{hint}")
    return [int(x) for x in seeds]


def _texts(name: str, value: object) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name}: expected a str or a list of them, got {_short(value)}")
    for text in texts:
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise _native.ArgumentError(f"{name}: not UTF-8: {_short(text)}")
    return list(texts)


def _pinned(pinned: object, batch_size: int, single: bool) -> list[list[dict[int, int]]]:
    """Returns {position: id} for each canvas of each sequence.

    The caller may give {position: id} for a sequence, which then pins its first canvas. For a single prompt the caller
    may leave out the list over the sequences.
    """
    if isinstance(pinned, Mapping):
        pinned = [pinned]
    kinds = (Mapping, list, tuple, NoneType)
    if not isinstance(pinned, (list, tuple)) or not all(isinstance(entry, kinds) for entry in pinned):
        raise TypeError(f"pinned: expected {{position: token id}} or a list of them, got {_short(pinned)}")
    if single and all(isinstance(entry, Mapping) for entry in pinned):
        pinned = [list(pinned)]
    if len(pinned) != batch_size:
        raise _native.ArgumentError(f"pinned: expected one entry per sequence ({batch_size}), got {len(pinned)}")
    result = []
    for entry in pinned:
        canvases = [{}] if entry is None else [entry] if isinstance(entry, Mapping) else list(entry)
        result.append([_one_pinned(canvas) for canvas in canvases])
    return result


def _one_pinned(canvas: object) -> dict[int, int]:
    canvas = {} if canvas is None else canvas
    if not isinstance(canvas, Mapping) or not all(_is_int(x) for pair in canvas.items() for x in pair):
        raise TypeError(f"pinned: expected {{position: token id}}, got {_short(canvas)}")
    for position, token in canvas.items():
        if not -(2**31) <= token < 2**31 or not -(2**63) <= position < 2**63:
            raise _native.ArgumentError(f"pinned: position {position} or token id {token} out of range")
    return {int(position): int(token) for position, token in canvas.items()}


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _short(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:77] + '...'}"
