"""The model in torch: the same mathematics as transformers' DiffusionGemma, arranged for training on a CPU.

Sequences of all lengths lie behind each other in one matrix of rows, so products see no padding. Only attention pads.
The names of the parameters are those of a published checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

from mini import fused
from mini.experts import mixture
from mini.rows import Chunk, Layout, hidden_where, pad, unpad


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


class Router(nn.Module):
    def __init__(self, sizes: Sizes):
        super().__init__()
        self.proj = Matrix(sizes.experts, sizes.hidden)
        self.scale = nn.Parameter(torch.ones(sizes.hidden))
        self.per_expert_scale = nn.Parameter(torch.ones(sizes.experts))
        self.active = sizes.active_experts

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the weights and the numbers of each row's experts, [R, A], and the loss of uneven use."""
        share = self.proj(fused.router_input(x, self.scale)).softmax(dim=1)
        weights, chosen = share.topk(self.active, dim=1)
        used = torch.bincount(chosen.flatten(), minlength=share.shape[1]) / chosen.numel()
        uneven = share.shape[1] * (used * share.mean(dim=0)).sum()
        weights = weights / weights.sum(dim=1, keepdim=True)
        return weights * self.per_expert_scale[chosen], chosen, uneven


class Experts(nn.Module):
    def __init__(self, sizes: Sizes):
        super().__init__()
        self.gate_up_proj = normal(sizes.experts, 2 * sizes.expert, sizes.hidden, std=sizes.hidden**-0.5)
        self.down_proj = normal(sizes.experts, sizes.hidden, sizes.expert, std=sizes.expert**-0.5)

    def forward(self, x: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        return mixture(x, weights, chosen, self.gate_up_proj, self.down_proj)


class Layer(nn.Module):
    def __init__(self, sizes: Sizes, full: bool):
        super().__init__()
        self.self_attn = Attention(sizes, full)
        self.mlp = GatedMlp(sizes.hidden, sizes.dense)
        self.router, self.experts = Router(sizes), Experts(sizes)
        self.input_layernorm = Norm(sizes.hidden)
        self.post_attention_layernorm = Norm(sizes.hidden, 0.5)
        self.pre_feedforward_layernorm = Norm(sizes.hidden)
        self.pre_feedforward_layernorm_2 = Norm(sizes.hidden)
        self.post_feedforward_layernorm_1 = Norm(sizes.hidden)
        self.post_feedforward_layernorm_2 = Norm(sizes.hidden)
        self.post_feedforward_layernorm = Norm(sizes.hidden, 0.5)
        self.layer_scalar = nn.Parameter(torch.ones(1))

    def feed_forward(self, h: Tensor, scalar: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Returns the rows behind the layer, and the loss of uneven use."""
        dense = self.mlp(fused.norm(h, self.pre_feedforward_layernorm.weight, dtype))
        weights, chosen, uneven = self.router(h)
        sparse = self.experts(fused.norm(h, self.pre_feedforward_layernorm_2.weight, dtype), weights, chosen)
        norms = (
            self.post_feedforward_layernorm_1.weight,
            self.post_feedforward_layernorm_2.weight,
            self.post_feedforward_layernorm.weight,
        )
        return fused.add_two_norms(h, dense, norms[0], sparse, norms[1], norms[2], scalar), uneven

    def add_attended(self, h: Tensor, attended: list[Tensor]) -> Tensor:
        """attended: of each chunk."""
        return fused.add_norm(h, self.self_attn.o_proj(torch.cat(attended)), self.post_attention_layernorm.weight)


class SelfConditioning(GatedMlp):
    def __init__(self, sizes: Sizes):
        super().__init__(sizes.hidden, sizes.dense)
        self.pre_norm = Norm(sizes.hidden)


class Embedding(nn.Module):
    def __init__(self, sizes: Sizes):
        super().__init__()
        self.weight = normal(sizes.vocab, sizes.hidden, std=0.04)


KeysValues = tuple[Tensor, Tensor]  # both [B, G, S, K]


@dataclass
class Cache:
    """Keys and values of the encoded texts, for each layer and chunk, and how many tokens canvases see: [B]."""

    layers: list[list[KeysValues]]
    lengths: Tensor


class Mini(nn.Module):
    """dtype: the type of what goes into products; the residual stream is float32."""

    def __init__(self, sizes: Sizes, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.sizes, self.dtype = sizes, dtype
        self.embed_tokens = Embedding(sizes)
        self.layers = nn.ModuleList(Layer(sizes, sizes.is_full(i)) for i in range(sizes.layers))
        self.encoder_scalars = nn.ParameterList(torch.ones(1) for _ in range(sizes.layers))
        self.norm = Norm(sizes.hidden)
        self.self_conditioning = SelfConditioning(sizes)
        self.ones = torch.ones(sizes.hidden)

    def embed(self, ids: Tensor) -> Tensor:
        return self.embed_tokens.weight[ids] * self.sizes.hidden**0.5

    def raw_logits(self, h: Tensor) -> Tensor:
        """Returns the logits before the soft cap."""
        return linear(fused.norm(h, self.norm.weight, self.dtype), self.embed_tokens.weight.to(self.dtype))

    def encode(self, ids: Tensor, layout: Layout, lengths: Tensor) -> tuple[Cache, Tensor, Tensor]:
        """Encodes texts, ids [R]. Canvases will see the first `lengths` tokens of each.

        Returns the cache, the rows behind the last layer and the loss of uneven use.
        """
        rope = Rope(self.sizes, layout.positions)
        masks = [chunk.causal_masks(self.sizes.window, self.dtype) for chunk in layout.chunks]
        h, cache, uneven = self.embed(ids), [], []
        for layer, scalar in zip(self.layers, self.encoder_scalars, strict=True):
            attention = layer.self_attn
            n = fused.norm(h, layer.input_layernorm.weight, self.dtype)
            keys, values = attention.keys(n, rope)
            queries = attention.queries(n, rope)
            cache.append([(pad(keys[chunk.rows], chunk), pad(values[chunk.rows], chunk)) for chunk in layout.chunks])
            attended = [
                attention.attend(queries, *padded, mask[attention.full], chunk)
                for padded, mask, chunk in zip(cache[-1], masks, layout.chunks, strict=True)
            ]
            h, used = layer.feed_forward(layer.add_attended(h, attended), scalar, self.dtype)
            uneven.append(used)
        return Cache(cache, lengths), h, torch.stack(uneven).mean()

    def denoise(self, ids: Tensor, layout: Layout, cache: Cache, soft: Tensor | None) -> tuple[Tensor, Tensor]:
        """One pass over canvases, ids [R].

        soft: the soft embeddings of the pass before, times sqrt(D), [R, D]; zero rows for none.
        Returns the rows behind the last layer, and the loss of uneven use.
        """
        h = self.embed(ids)
        if soft is not None:
            h = h + self.self_conditioning(fused.norm(soft, self.self_conditioning.pre_norm.weight, self.dtype))
        h = fused.norm(h, self.ones, torch.float32)
        rope = Rope(self.sizes, cache.lengths[layout.sequence] + layout.positions)
        masks = self._canvas_masks(layout, cache)
        uneven = []
        for layer, cached in zip(self.layers, cache.layers, strict=True):
            attention = layer.self_attn
            n = fused.norm(h, layer.input_layernorm.weight, self.dtype)
            own = attention.keys(n, rope)
            queries = attention.queries(n, rope)
            attended = []
            for prefix, mask, chunk in zip(cached, masks, layout.chunks, strict=True):
                keys, values = (torch.cat([x, pad(y[chunk.rows], chunk)], 2) for x, y in zip(prefix, own, strict=True))
                attended.append(attention.attend(queries, keys, values, mask[attention.full], chunk))
            h, used = layer.feed_forward(layer.add_attended(h, attended), layer.layer_scalar, self.dtype)
            uneven.append(used)
        return h, torch.stack(uneven).mean()

    def _canvas_masks(self, layout: Layout, cache: Cache) -> list[tuple[Tensor, Tensor]]:
        """Returns of each chunk what the canvases see in sliding and in full layers."""
        masks, first = [], 0
        for chunk, (keys, _) in zip(layout.chunks, cache.layers[0], strict=True):
            lengths = cache.lengths[first : first + chunk.num_sequences, None]
            first += chunk.num_sequences
            place = torch.arange(keys.shape[2])
            seen = place < lengths
            near = seen & (place > lengths - self.sizes.window)
            both = (torch.cat([x, chunk.filled], dim=1)[:, None, None, None, :] for x in (near, seen))
            sliding, full = (hidden_where(~x, self.dtype) for x in both)
            masks.append((sliding, full))
        return masks

    def soft_embeddings(self, raw_logits: Tensor, temperature: Tensor) -> Tensor:
        shares = (fused.cap(raw_logits) / temperature).softmax(dim=-1)
        return (shares.to(self.dtype) @ self.embed_tokens.weight.to(self.dtype)).float() * self.sizes.hidden**0.5
