"""The mixture of experts: rows are sorted by expert, so each expert has one product of its own rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function
from torch.nn.functional import gelu, linear


class _Dispatch(Function):
    """Copies each row to the places of its experts. The gradient is gathered again: faster than adding by index."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor, active: int) -> Tensor:
        ctx.save_for_backward(inverse)
        ctx.active = active
        return x.index_select(0, order // active)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (inverse,) = ctx.saved_tensors
        return grads[0].index_select(0, inverse).unflatten(0, (-1, ctx.active)).sum(1), None, None, None


class _Permute(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return x.index_select(0, inverse)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (order,) = ctx.saved_tensors
        return grads[0].contiguous().index_select(0, order), None, None


def mixture(x: Tensor, weights: Tensor, chosen: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """Returns the weighted sum of each row's experts.

    x: [R, D]; weights, chosen: [R, A]; gate_up: [E, 2 M, D], gate rows first; down: [E, D, M].
    """
    active = chosen.shape[1]
    order = chosen.flatten().argsort(stable=True)
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(len(order))
    counts = torch.bincount(chosen.flatten(), minlength=len(gate_up)).tolist()
    gate_up, down = gate_up.to(x.dtype), down.to(x.dtype)
    sorted_rows: Tensor = _Dispatch.apply(x, order, inverse, active)
    results = []
    for number, rows in enumerate(sorted_rows.split(counts)):
        gate, up = linear(rows, gate_up[number]).chunk(2, dim=1)
        results.append(linear(gelu(gate, approximate="tanh") * up, down[number]))
    unsorted: Tensor = _Permute.apply(torch.cat(results), order, inverse)
    return (unsorted.unflatten(0, (-1, active)) * weights.to(x.dtype)[:, :, None]).sum(1)
