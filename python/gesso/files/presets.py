"""Presets decide which type each tensor of a file gets. The native library has them; overrides are of this module."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from gesso import _native
from gesso._native import ArgumentError
from gesso.files.tensor import stored_bytes, tensor_types

PRESETS = {preset.name: preset for preset in _native.presets()}


def stays_float32(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a GGUF file stores this tensor in F32 with every preset, as it does vectors, norms and the router."""
    return _native.stays_float32(name, len(shape))


class Named(Protocol):
    """What the rules look at: a tensor, or only its name and shape."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...


def _matching(pattern: str, dtype: str, matrices: Mapping[str, Named]) -> list[str]:
    """Returns the names that an override applies to. ArgumentError if it matches nothing or cannot be applied."""
    what = f"{pattern}={dtype}"
    if dtype not in tensor_types() or not tensor_types()[dtype].can_write:
        known = ", ".join(name for name, entry in tensor_types().items() if entry.can_write)
        raise ArgumentError(f"{what}: expected a type that gesso can write: {known}")
    try:
        names = [name for name in matrices if re.search(pattern, name)]
    except re.error as error:
        raise ArgumentError(f"{what}: not a regular expression: {error}") from None
    if not names:
        raise ArgumentError(f"{what}: matches no matrix (vectors, norms and the router are always F32)")
    for name in names:
        try:
            stored_bytes(dtype, matrices[name].shape)
        except ValueError as error:
            raise ArgumentError(f"{what}: {name}: {error}") from None
        if dtype == "NVFP4" and name == "token_embd.weight":
            raise ArgumentError(f"{what}: {name}: NVFP4 needs a scale, and the embedding cannot have one")
    return names


def plan_types(
    preset: str,
    tensors: Sequence[Named],
    *,
    num_layers: int | None = None,
    has_importance: bool = False,
    overrides: Iterable[tuple[str, str]] = (),
) -> dict[str, str]:
    """Maps the name of each tensor to its type. Vectors, norms and the router always get F32.

    tensors: objects with a `name` and a `shape`.
    num_layers: of the model; None means as many as the names of the tensors say.
    overrides: pairs (regular expression, type). A matrix in whose name the expression is found gets this type; the last
    pair that matches counts. Raises ArgumentError for a pair that matches nothing or whose type cannot hold the rows of
    a matrix that it matches.
    """
    described = [(tensor.name, "", tensor.shape) for tensor in tensors]
    types = _native.plan_types(preset, described, -1 if num_layers is None else num_layers, has_importance)
    plan = {tensor.name: dtype for tensor, dtype in zip(tensors, types, strict=True)}
    matrices = {tensor.name: tensor for tensor in tensors if not stays_float32(tensor.name, tensor.shape)}
    for pattern, dtype in overrides:
        plan |= dict.fromkeys(_matching(pattern, dtype, matrices), dtype)
    return plan
