"""Weight scales: a matrix `<name>.weight` may have a factor `<name>.scale`, one number or one per expert.

A matrix in NVFP4 needs a scale, because NVFP4's block scales have a small range. When a matrix with a scale becomes
another type, its values are multiplied with the scale and the scale is left out.

Two tensors with such a name mean something else. `ffn_down_exps.scale` is a factor on the experts' outputs that every
file has; a weight scale of ffn_down_exps is multiplied into it and cannot be taken out again. The router's `.scale` is
a vector of the model. The embedding and the router have no weight scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.files.gguf_writer import chunks
from gesso.files.tensor import Tensor

LARGEST = 6.0 * 448.0  # the largest NVFP4 value without weight scale: the largest E2M1 times the largest UE4M3

Scale = npt.NDArray[np.float32]  # [1], or [experts] for a tensor of rank 3
Multipliers = dict[str, Callable[[], Scale]]


def _largest_magnitudes(tensor: Tensor) -> Scale:
    """Returns max |value|: float32 [1], or [experts] for a tensor of rank 3."""
    experts = tensor.shape[0] if len(tensor.shape) == 3 else 1
    largest = np.zeros(experts, np.float32)
    for expert, chunk in chunks(tensor, experts):
        values = _native.dequantize(tensor.dtype, chunk)
        largest[expert] = max(largest[expert], values.max(), -values.min())
    return largest


def _nvfp4_scale(tensor: Tensor) -> Scale:
    """Returns the scale with which the largest value of the tensor, divided by it, is the largest that NVFP4 holds."""
    largest = _largest_magnitudes(tensor)
    return np.where(largest > 0, largest / np.float32(LARGEST), np.float32(1)).astype(np.float32, copy=False)


def with_scales(tensors: Sequence[Tensor], types: Mapping[str, str]) -> tuple[list[Tensor], Multipliers]:
    """Returns the tensors to write when matrices change to `types`, and the `multipliers` of `write_gguf`.

    A matrix that becomes NVFP4 is divided by a new scale, and its `.scale` tensor is multiplied with it. A matrix that
    has a scale and becomes another type is multiplied with the scale, and the scale is left out. A matrix that keeps
    its type keeps its `.scale` and `.input_scale`. Other matrices lose their `.input_scale`.
    """
    by_name = {tensor.name: tensor for tensor in tensors}
    multipliers: Multipliers = {}
    dropped: set[str] = set()
    scales: dict[str, Tensor] = {}
    for tensor in tensors:
        if not tensor.name.endswith(".weight") or types.get(tensor.name, tensor.dtype) == tensor.dtype:
            continue
        stem = tensor.name.removesuffix(".weight")
        old = by_name.get(f"{stem}.scale") if not stem.endswith("ffn_gate_inp") else None
        dropped.add(f"{stem}.input_scale")
        if types[tensor.name] == "NVFP4":
            new = cache(partial(_nvfp4_scale, tensor))
            multipliers[tensor.name] = partial(_reciprocal, new)
            scales[tensor.name] = _scale_tensor(f"{stem}.scale", tensor, old, new)
            dropped.add(f"{stem}.scale")
        elif old is not None and not stem.endswith("ffn_down_exps"):
            multipliers[tensor.name] = old.to_float32
            dropped.add(old.name)
    written = []
    for tensor in tensors:
        if tensor.name not in dropped:
            written.append(tensor)
        if tensor.name in scales:
            written.append(scales[tensor.name])
    return written, multipliers


def _reciprocal(scale: Callable[[], Scale]) -> Scale:
    return np.float32(1) / scale()


def _scale_tensor(name: str, matrix: Tensor, old: Tensor | None, new: Callable[[], Scale]) -> Tensor:
    """Returns the tensor of a scale: the new scale, times the old one if there was one."""

    def values() -> Scale:
        return new() if old is None else new() * old.to_float32()

    return Tensor(name, "F32", (matrix.shape[0] if len(matrix.shape) == 3 else 1,), values)
