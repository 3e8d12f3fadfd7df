"""The sizes of the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """The sizes of the model. K-quants need rows of 256; only the experts' are shorter."""

    vocab: int = 2688
    hidden: int = 256
    dense: int = 256
    layers: int = 6
    heads: int = 8
    head_dim: int = 32
    kv_heads: int = 4
    full_head_dim: int = 64
    full_kv_heads: int = 2
    experts: int = 8
    active_experts: int = 2
    expert: int = 96
    window: int = 64
    canvas: int = 64
    theta: float = 1e4
    full_theta: float = 1e6
    full_rotated: float = 0.25

    def is_full(self, layer: int) -> bool:
        return layer % 2 == 1
