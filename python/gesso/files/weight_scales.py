"""Weight scales: the factor `<name>.scale` of a matrix `<name>.weight`, one number or one per expert.

NVFP4 needs one, as its block scales have a small range; other types get it folded into their values. The scale of
ffn_down_exps is a factor on the experts' outputs that every file has; a weight scale is multiplied into it there, and
cannot be told apart again. The embedding and the router have no weight scale (their `.scale` is another thing).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np

from gesso import _native
from gesso.files.gguf_writer import chunks
from gesso.files.tensor import Tensor

LARGEST = 6.0 * 448.0  # of a NVFP4 value without scale: the largest E2M1 times the largest UE4M3

Multipliers = dict[str, Callable[[], np.ndarray]]


def _largest_magnitudes(tensor: Tensor) -> np.ndarray:
    """max |value|, float32 [1], or [experts] of a tensor of rank 3."""
    experts = tensor.shape[0] if len(tensor.shape) == 3 else 1
    largest = np.zeros(experts, np.float32)
    for expert, chunk in chunks(tensor, experts):
        values = _native.dequantize(tensor.dtype, chunk)
        largest[expert] = max(largest[expert], values.max(), -values.min())
    return largest


def _nvfp4_scale(tensor: Tensor) -> np.ndarray:
    """The scale by which the largest value becomes the largest that NVFP4 can hold."""
    largest = _largest_magnitudes(tensor)
    return np.where(largest > 0, largest / np.float32(LARGEST), np.float32(1))


def with_scales(tensors: Sequence[Tensor], types: Mapping[str, str]) -> tuple[list[Tensor], Multipliers]:
    """The tensors to write when matrices become the `types`, and the `multipliers` of `write_gguf`.

    A matrix that becomes NVFP4 is divided by a scale, which its `.scale` tensor gets as a factor. One that was NVFP4
    (or has a scale for another reason) and changes its type is multiplied by it, and the scale is left out. A matrix
    that keeps its type keeps its scale. An `.input_scale` goes with a matrix that keeps its type only.
    """
    by_name = {tensor.name: tensor for tensor in tensors}
    multipliers: Multipliers = {}
    dropped, scales = set(), {}
    for tensor in tensors:
        if not tensor.name.endswith(".weight") or types.get(tensor.name, tensor.dtype) == tensor.dtype:
            continue
        stem = tensor.name.removesuffix(".weight")
        old = by_name.get(f"{stem}.scale") if not stem.endswith("ffn_gate_inp") else None
        dropped.add(f"{stem}.input_scale")
        if types[tensor.name] == "NVFP4":
            new = cache(lambda tensor=tensor: _nvfp4_scale(tensor))
            multipliers[tensor.name] = lambda new=new: 1 / new()
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


def _scale_tensor(name: str, matrix: Tensor, old: Tensor | None, new: Callable[[], np.ndarray]) -> Tensor:
    """`new`, times what was there."""

    def values() -> np.ndarray:
        return new() if old is None else new() * old.to_float32()

    return Tensor(name, "F32", (matrix.shape[0] if len(matrix.shape) == 3 else 1,), values)
