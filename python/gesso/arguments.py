"""Turns what callers write as generation arguments into what the native library takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any

import numpy as np

from gesso import _native

NUMBERS = {
    "max_denoising_steps": int,
    "entropy_bound": float,
    "t_min": float,
    "t_max": float,
    "stability_threshold": int,
    "confidence_threshold": float,
}


def is_ids(value: Any) -> bool:
    """Whether `value` is one list of token ids (a list of ints or a 1-D integer array), empty ones included."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and np.issubdtype(value.dtype, np.integer)
    is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))
    return is_list and all(_is_int(x) for x in value)


def as_array(value: Any) -> Any:
    """Arrays of other libraries (DLPack) as NumPy arrays over the same memory; everything else unchanged."""
    if not isinstance(value, np.ndarray) and hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    return value


def as_ids(value: Any, what: str) -> list[int]:
    """One list of token ids as plain ints; an integer array serves as well as a list."""
    value = as_array(value)
    if not is_ids(value):
        raise TypeError(f"{what}: expected a list of token ids, got {_short(value)}")
    ids = [int(x) for x in value]
    for token in ids:
        if not 0 <= token < 2**31:
            raise _native.ArgumentError(f"{what}: token id {token} outside the vocabulary")
    return ids


def as_lengths(value: Any, what: str) -> list[int]:
    """One length for all sequences, or one for each."""
    lengths = [value] if _is_int(value) else as_array(value)
    if not is_ids(lengths):
        raise TypeError(f"{what}: expected an int, or one per sequence, got {_short(value)}")
    for length in lengths:
        if not -(2**63) <= length < 2**63:
            raise _native.ArgumentError(f"{what}: {length} is out of range")
    return [int(x) for x in lengths]


def as_id_lists(value: Any, batch_size: int, what: str) -> list[list[int]]:
    """A list of token ids for each sequence; a bare list serves for a batch of one."""
    value = as_array(value)
    if batch_size == 1 and is_ids(value):
        value = [value]
    if not isinstance(value, (list, tuple, np.ndarray)):
        raise TypeError(f"{what}: expected a list of token ids for each of {batch_size} sequences, got {_short(value)}")
    if len(value) != batch_size:
        raise _native.ArgumentError(f"{what}: expected one entry per sequence ({batch_size}), got {len(value)}")
    return [as_ids(x, what) for x in value]


def make_options(
    batch_size: int,
    single: bool,
    *,
    max_new_tokens: int,
    end_token_ids: Sequence[int] | None,
    seed: int | Sequence[int],
    canvas: Any,
    pinned: Any,
    on_step: Callable[[Any], Any] | None,
    on_canvas: Callable[[Any], Any] | None,
    **numbers: Any,
) -> _native.GenerationOptions:
    """The native options. TypeError for arguments of the wrong kind; the native side checks ranges."""
    options = _native.GenerationOptions()
    options.max_new_tokens = _number("max_new_tokens", max_new_tokens, int)
    for name, kind in NUMBERS.items():
        if numbers[name] is not None:
            setattr(options, name, _number(name, numbers[name], kind))
    if end_token_ids is not None:
        options.end_token_ids = as_ids(end_token_ids, "end_token_ids")
    options.seeds = _seeds(seed)
    if canvas is not None:
        options.canvas = as_id_lists(canvas, batch_size, "canvas")
    if pinned is not None:
        options.pinned = _pinned(pinned, batch_size, single)
    for name, callback in (("on_step", on_step), ("on_canvas", on_canvas)):
        if callback is not None and not callable(callback):
            raise TypeError(f"{name}: expected a function, got {_short(callback)}")
    options.set_callbacks(on_step, on_canvas)
    return options


def _number(name: str, value: Any, kind: type) -> Any:
    if kind is int and not _is_int(value):
        raise TypeError(f"{name}: expected an int, got {value!r}")
    if kind is float and (isinstance(value, bool) or not isinstance(value, (int, float, np.number))):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    if kind is int and not -(2**63) <= value < 2**63:
        raise _native.ArgumentError(f"{name}: {value} is out of range")
    return kind(value)


def _seeds(seed: int | Sequence[int]) -> list[int]:
    seeds = [seed] if _is_int(seed) else seed
    if not is_ids(seeds):
        raise TypeError(f"seed: expected an int, or one per sequence, got {_short(seed)}")
    return [int(x) % 2**64 for x in seeds]


def _pinned(pinned: Any, batch_size: int, single: bool) -> list[list[dict[int, int]]]:
    """{position: id} for the first canvas, or a list of them per canvas, for each sequence.

    A single prompt may leave out the outer list.
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


def _one_pinned(canvas: Any) -> dict[int, int]:
    canvas = {} if canvas is None else canvas
    if not isinstance(canvas, Mapping) or not all(_is_int(x) for pair in canvas.items() for x in pair):
        raise TypeError(f"pinned: expected {{position: token id}}, got {_short(canvas)}")
    for position, token in canvas.items():
        if not -(2**31) <= token < 2**31 or not -(2**63) <= position < 2**63:
            raise _native.ArgumentError(f"pinned: position {position} or token id {token} out of range")
    return {int(position): int(token) for position, token in canvas.items()}


def _is_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:77] + '...'}"
