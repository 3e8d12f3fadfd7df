"""The parts that have weights and little else."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear


def normal(*shape: int, std: float) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) * std)


class Matrix(nn.Module):
    """A weight without bias."""

    def __init__(self, rows: int, columns: int):
        super().__init__()
        self.weight = normal(rows, columns, std=columns**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight.to(x.dtype))


class Norm(nn.Module):
    def __init__(self, size: int, start: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), start))


class GatedMlp(nn.Module):
    def __init__(self, hidden: int, inner: int):
        super().__init__()
        self.gate_proj, self.up_proj = Matrix(inner, hidden), Matrix(inner, hidden)
        self.down_proj = Matrix(hidden, inner)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(gelu(self.gate_proj(x), approximate="tanh") * self.up_proj(x))
