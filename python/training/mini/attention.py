"""Attention of both kinds of layers. Only here sequences are padded, chunk by chunk."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mini import fused
from mini.parameters import Matrix, Norm
from mini.rows import Chunk, pad, unpad
from mini.sizes import Sizes


class Rope:
    """Cosines and sines of the rows' positions, for the two kinds of layers."""

    def __init__(self, sizes: Sizes, positions: Tensor):
        def table(head_dim: int, theta: float, rotated: float) -> tuple[Tensor, Tensor]:
            pairs = head_dim // 2
            frequencies = theta ** (-2 * torch.arange(pairs, dtype=torch.float32) / head_dim)
            frequencies[int(rotated * pairs) :] = 0
            angles = positions.float()[:, None] * frequencies  # [R, K / 2]
            return angles.cos()[:, None, :], angles.sin()[:, None, :]

        self.sliding = table(sizes.head_dim, sizes.theta, 1.0)
        self.full = table(sizes.full_head_dim, sizes.full_theta, sizes.full_rotated)


class Attention(nn.Module):
    def __init__(self, sizes: Sizes, full: bool):
        super().__init__()
        self.full = full
        self.head_dim = sizes.full_head_dim if full else sizes.head_dim
        self.kv_heads = sizes.full_kv_heads if full else sizes.kv_heads
        self.groups = sizes.heads // self.kv_heads
        kv_rows = self.kv_heads * self.head_dim
        self.q_proj = Matrix(sizes.heads * self.head_dim, sizes.hidden)
        self.k_proj = Matrix(kv_rows, sizes.hidden)
        self.v_proj = None if full else Matrix(kv_rows, sizes.hidden)
        self.o_proj = Matrix(sizes.hidden, sizes.heads * self.head_dim)
        # The scores are not scaled, so these norms set how sharp the attention is.
        self.q_norm = Norm(self.head_dim, self.head_dim**-0.25)
        self.k_norm = Norm(self.head_dim, self.head_dim**-0.25)
        self.ones = torch.ones(self.head_dim)  # the norm of values has no weight

    def keys(self, x: Tensor, rope: Rope) -> tuple[Tensor, Tensor]:
        """Returns keys and values of the rows, both [R, G, K]."""
        raw = self.k_proj(x).unflatten(1, (self.kv_heads, self.head_dim))
        values = raw if self.v_proj is None else self.v_proj(x).unflatten(1, (self.kv_heads, self.head_dim))
        return self._rotated(raw, self.k_norm, rope), fused.norm(values, self.ones, x.dtype)

    def queries(self, x: Tensor, rope: Rope) -> Tensor:
        """Returns the queries of the rows, [R, H, K]."""
        return self._rotated(self.q_proj(x).unflatten(1, (-1, self.head_dim)), self.q_norm, rope)

    def _rotated(self, x: Tensor, norm: Norm, rope: Rope) -> Tensor:
        return fused.norm_rotate(x, norm.weight, *(rope.full if self.full else rope.sliding), x.dtype)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, chunk: Chunk) -> Tensor:
        """Returns the attended rows of a chunk, [R, H * K].

        queries: [R, H, K]; keys, values: [B, G, S, K]; mask: 0 for what is seen, else a very low number.
        """
        q = pad(queries[chunk.rows], chunk)  # [B, H, T, K]
        heads = q.unflatten(1, (self.kv_heads, self.groups)).flatten(2, 3)  # [B, G, H / G * T, K]
        scores = (heads @ keys.mT).unflatten(2, (self.groups, chunk.longest)) + mask
        shares = scores.softmax(-1).flatten(2, 3)
        out = (shares @ values).unflatten(2, (self.groups, chunk.longest)).flatten(1, 2)
        return unpad(out, chunk)
