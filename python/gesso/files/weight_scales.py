"""Weight scales: a matrix `<name>.weight` may have a factor `<name>.scale`, one number or one per expert.

A matrix in NVFP4 needs a scale, because NVFP4's block scales have a small range. The native library has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.files.tensor import Tensor, release_pages

Scale = npt.NDArray[np.float32]  # [1], or [experts] for a tensor of rank 3
Multipliers = dict[str, Callable[[], Scale]]


def _nvfp4_scale(tensor: Tensor) -> Scale:
    """Returns the scale with which the largest value of the tensor, divided by it, is the largest that NVFP4 holds."""
    experts = tensor.shape[0] if len(tensor.shape) == 3 else 1
    data = np.ascontiguousarray(tensor.data).reshape(-1).view(np.uint8).reshape(experts, -1)
    scale = np.empty(experts, np.float32)
    for expert, part in enumerate(data):
        scale[expert] = _native.nvfp4_scale(tensor.dtype, part)
        release_pages(part)
    return scale


def with_scales(tensors: Sequence[Tensor], types: Mapping[str, str]) -> tuple[list[Tensor], Multipliers]:
    """Returns the tensors to write when matrices change to `types`, and the `multipliers` of `write_gguf`.

    A matrix that becomes NVFP4 is divided by a new scale, and its `.scale` tensor is multiplied with it. A matrix that
    has a scale and becomes another type is multiplied with the scale, and the scale is left out. A matrix that keeps
    its type keeps its `.scale` and `.input_scale`. Other matrices lose their `.input_scale`.
    """
    described = [(tensor.name, tensor.dtype, tensor.shape) for tensor in tensors]
    plan = _native.plan_tensors(described, [types.get(tensor.name, tensor.dtype) for tensor in tensors])
    kinds = _native.PlannedTensor.Values
    written: list[Tensor] = []
    multipliers: Multipliers = {}
    new_scales: dict[int, Callable[[], Scale]] = {}
    for planned in plan:
        source = tensors[planned.source]
        old = tensors[planned.scale] if planned.scale >= 0 else None
        if planned.values == kinds.NEW_SCALE:  # of the matrix in front of it
            values = partial(_product, new_scales[planned.source], old)
            written.append(Tensor(planned.name, planned.type, tuple(planned.shape), values))
            continue
        written.append(source)
        if planned.values == kinds.DIVIDED:
            new_scales[planned.source] = new = cache(partial(_nvfp4_scale, source))
            multipliers[source.name] = partial(_reciprocal, new)
        elif old is not None:
            multipliers[source.name] = old.to_float32
    return written, multipliers


def _reciprocal(scale: Callable[[], Scale]) -> Scale:
    return np.float32(1) / scale()


def _product(new: Callable[[], Scale], old: Tensor | None) -> Scale:
    return new() if old is None else new() * old.to_float32()
