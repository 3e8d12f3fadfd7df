"""The model in torch: the same mathematics as transformers' DiffusionGemma, arranged for training on a CPU.

Sequences of all lengths lie behind each other in one matrix of rows, so products see no padding. Only attention pads.
The names of the parameters are those of a published checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from mini import fused
from mini.attention import Rope
from mini.layer import Layer
from mini.parameters import GatedMlp, Norm, normal
from mini.rows import Layout, hidden_where, pad
from mini.sizes import Sizes


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
        return embedding(ids, self.embed_tokens.weight) * self.sizes.hidden**0.5

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
