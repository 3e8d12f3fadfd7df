"""Small functions between the products. Compiled, each makes one pass over its rows, which is three times as fast.

Numbers of the residual stream are float32. What goes into a product has the type `dtype`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

EPS = 1e-6
SOFT_CAP = 30.0


def normed(x: Tensor) -> Tensor:
    x = x.float()
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS)


def norm(x: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    return (normed(x) * weight).to(dtype)


def add_norm(h: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    return h + normed(x) * weight


def add_two_norms(
    h: Tensor, x: Tensor, x_weight: Tensor, y: Tensor, y_weight: Tensor, weight: Tensor, scalar: Tensor
) -> Tensor:
    """The end of a layer: both MLPs' results, normed alone and as a sum, on the residual stream."""
    both = normed(x) * x_weight + normed(y) * y_weight
    return (h + normed(both) * weight) * scalar


def norm_rotate(x: Tensor, weight: Tensor, cos: Tensor, sin: Tensor, dtype: torch.dtype) -> Tensor:
    """x: heads [R, H, K]; cos, sin: [R, 1, K / 2]."""
    first, second = (normed(x) * weight).chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).to(dtype)


def router_input(x: Tensor, scale: Tensor) -> Tensor:
    return normed(x) * scale * x.shape[-1] ** -0.5


def cap(logits: Tensor) -> Tensor:
    return SOFT_CAP * torch.tanh(logits.float() / SOFT_CAP)


def capped_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of each row."""
    return cross_entropy(cap(logits), targets, reduction="none")


NAMES = ["norm", "add_norm", "add_two_norms", "norm_rotate", "router_input", "capped_losses"]


def compile_all() -> None:
    """Compiles the functions of this module; this needs a C++ compiler and takes a minute or two."""
    for name in NAMES:
        globals()[name] = torch.compile(globals()[name], dynamic=True)
