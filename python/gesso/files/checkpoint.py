"""Makes native checkpoints of metadata and tensors, for models that do not come from a GGUF file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypedDict

import numpy as np

from gesso import _native
from gesso.files.tensor import Array, Tensor

ARCHITECTURE = "diffusion-gemma"  # the value of GGUF's general.architecture; the model's own keys begin with it

# What stands under a metadata key. A list holds values of one kind.
Value = bool | int | float | str | Sequence[bool] | Sequence[int] | Sequence[float] | Sequence[str]


class TypeCount(TypedDict):
    """How much of a checkpoint has one type."""

    count: int  # tensors
    elements: int
    bytes: int


def integer(metadata: Mapping[str, object], key: str) -> int:
    """The value of one of the architecture's keys: "block_count" for diffusion-gemma.block_count."""
    value = metadata[f"{ARCHITECTURE}.{key}"]
    if not isinstance(value, int):
        raise TypeError(f"{ARCHITECTURE}.{key}: expected an integer, got {value!r}")
    return value


def integers(metadata: Mapping[str, object], key: str) -> list[int]:
    """The value for each layer, such as the key-value heads in "attention.head_count_kv"."""
    values = metadata[f"{ARCHITECTURE}.{key}"]
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, list):
        raise TypeError(f"{ARCHITECTURE}.{key}: expected a list, got {values!r}")
    return values


def short(value: object) -> str:
    """Returns how error messages show a value of a file. A file may hold a value of megabytes."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"


def outline(metadata: Mapping[str, Value], tensors: Sequence[Tensor]) -> _native.Checkpoint:
    """Makes a checkpoint with zeros in place of all values. The zeros take no memory.

    It is enough to find out whether the tensors fit the configuration.
    """
    largest = max((tensor.num_bytes for tensor in tensors), default=0)
    zeros = np.zeros(largest, np.uint8)  # nothing writes to them, so the system gives them no memory
    return fill_checkpoint(metadata, tensors, lambda tensor: zeros[: tensor.num_bytes])


def fill_checkpoint(
    metadata: Mapping[str, Value], tensors: Iterable[Tensor], values: Callable[[Tensor], Array]
) -> _native.Checkpoint:
    """Makes a checkpoint in which each tensor has the values that `values(tensor)` returns.

    The checkpoint refers to these arrays and keeps them alive.
    """
    checkpoint = _native.Checkpoint()
    for key, value in metadata.items():
        checkpoint.set(key, value)
    for tensor in tensors:
        data = values(tensor)
        checkpoint.add_tensor(tensor.name, tensor.dtype, tensor.shape, data.reshape(-1).view(np.uint8), data)
    return checkpoint


def count_types(tensors: Iterable[_native.TensorInfo]) -> dict[str, TypeCount]:
    """Returns count, elements and bytes of the tensors of each type. The type with the most bytes comes first."""
    types: dict[str, TypeCount] = {}
    for tensor in tensors:
        entry = types.setdefault(tensor.type, {"count": 0, "elements": 0, "bytes": 0})
        entry["count"] += 1
        entry["elements"] += math.prod(tensor.shape)
        entry["bytes"] += tensor.num_bytes
    return dict(sorted(types.items(), key=lambda item: -item[1]["bytes"]))
