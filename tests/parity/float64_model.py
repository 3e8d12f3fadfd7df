"""The whole model in float64, from the formulas of tests/reference. Where gesso and the reference differ, it tells
which of the two is further off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity import random_models
from reference.attention import attention, canvas_mask, causal_mask
from reference.gelu_mul import gelu_mul
from reference.qk_norm_rope import inverse_frequencies, normed, normed_and_rotated
from reference.rms_norm import rms_norm, rms_norm_add
from reference.route import expert_weights, top_experts
from reference.soft_embed import soft_embed

Cache = list[tuple[np.ndarray, np.ndarray]]  # keys and values of each layer, [tokens, G * K]


def gated_mlp(x: np.ndarray, gate: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    return gelu_mul(x @ gate.T, x @ up.T) @ down.T


@dataclass
class Float64Model:
    """The weights of a model of the reference, as `random_models.build` makes it."""

    model: Any
    recipe: random_models.Recipe

    def __post_init__(self) -> None:
        decoder = self.model.model.decoder
        self.weights = {name: value.double().numpy() for name, value in decoder.state_dict().items()}
        stacks = {True: self.model.model.encoder.language_model, False: decoder}
        self.scalars = {encodes: [float(layer.layer_scalar) for layer in x.layers] for encodes, x in stacks.items()}
        self.text = self.recipe.text
        self.eps = self.text["rms_norm_eps"]
        self.embedding = self.weights["embed_tokens.weight"]
        self.embed_scale = float(np.float32(self.embedding.shape[1] ** 0.5))

    def encode(self, ids: Sequence[int]) -> Cache:
        hidden, cache = self.embedding[np.asarray(ids)] * self.embed_scale, Cache()
        for layer in range(len(self.text["layer_types"])):
            hidden, keys_and_values = self.run_layer(layer, hidden, None)
            cache.append(keys_and_values)
        return cache

    def denoise(self, cache: Cache, canvas: np.ndarray, z: np.ndarray | None = None) -> np.ndarray:
        """Logits [C, V]."""
        hidden = self.embedding[canvas] * self.embed_scale
        if z is not None:
            w = [self.weights[f"self_conditioning.{name}_proj.weight"] for name in ("gate", "up", "down")]
            soft = soft_embed(z.astype(np.float64), self.embedding, self.embed_scale)
            hidden = hidden + gated_mlp(rms_norm(soft, self.weights["self_conditioning.pre_norm.weight"], self.eps), *w)
        hidden = rms_norm(hidden, None, self.eps)
        for layer, past in enumerate(cache):
            hidden, _ = self.run_layer(layer, hidden, past)
        cap = self.text["final_logit_softcapping"]
        return cap * np.tanh(rms_norm(hidden, self.weights["norm.weight"], self.eps) @ self.embedding.T / cap)

    def run_layer(self, layer: int, hidden: np.ndarray, past: tuple[np.ndarray, np.ndarray] | None):
        """hidden [R, D] behind the layer, and its keys and values. Without `past` the rows are encoded."""

        def w(name: str) -> np.ndarray:
            return self.weights[f"layers.{layer}.{name}"]

        attended, keys_and_values = self.attend(layer, w, rms_norm(hidden, w("input_layernorm.weight"), self.eps), past)
        hidden = rms_norm_add(attended, w("post_attention_layernorm.weight"), self.eps, 1.0, hidden)
        u = rms_norm(hidden, w("pre_feedforward_layernorm.weight"), self.eps)
        dense = gated_mlp(u, *(w(f"mlp.{name}_proj.weight") for name in ("gate", "up", "down")))
        both = rms_norm(dense, w("post_feedforward_layernorm_1.weight"), self.eps)
        both = both + rms_norm(self.experts(w, hidden), w("post_feedforward_layernorm_2.weight"), self.eps)
        scalar = self.scalars[past is None][layer]
        return rms_norm_add(both, w("post_feedforward_layernorm.weight"), self.eps, scalar, hidden), keys_and_values

    def attend(self, layer: int, w: Any, x: np.ndarray, past: tuple[np.ndarray, np.ndarray] | None):
        kind = self.text["layer_types"][layer]
        is_sliding = kind == random_models.SLIDING
        head_dim = self.text["head_dim" if is_sliding else "global_head_dim"]
        rope = self.text["rope_parameters"][kind]
        rotated = int(rope.get("partial_rotary_factor", 1.0) * head_dim // 2)  # whole pairs
        inv_freq = inverse_frequencies(rope["rope_theta"], head_dim, rotated / (head_dim // 2))
        num_past = 0 if past is None else len(past[0])
        rotation = (num_past + np.arange(len(x)), inv_freq)
        q = normed_and_rotated(x @ w("self_attn.q_proj.weight").T, w("self_attn.q_norm.weight"), self.eps, *rotation)
        projected = x @ w("self_attn.k_proj.weight").T
        keys = normed_and_rotated(projected, w("self_attn.k_norm.weight"), self.eps, *rotation)
        values = normed(x @ w("self_attn.v_proj.weight").T if is_sliding else projected, self.eps, head_dim)
        window = self.text["sliding_window"] if is_sliding else 0
        if past is None:
            seen, mask = (keys, values), causal_mask(rotation[0], len(x), window)
        else:
            seen = tuple(np.concatenate(pair) for pair in zip(past, (keys, values), strict=True))
            mask = canvas_mask(num_past, len(x), window)
        heads = [rows.reshape(len(rows), -1, head_dim) for rows in (q, *seen)]
        return attention(*heads, mask).reshape(len(x), -1) @ w("self_attn.o_proj.weight").T, (keys, values)

    def experts(self, w: Any, hidden: np.ndarray) -> np.ndarray:
        x = rms_norm(hidden, None, self.eps) * w("router.scale") * hidden.shape[1] ** -0.5
        scores = x @ w("router.proj.weight").T
        chosen = top_experts(scores, self.text["top_k_experts"])
        shares = expert_weights(scores, chosen, w("router.per_expert_scale"))
        rows, out = rms_norm(hidden, w("pre_feedforward_layernorm_2.weight"), self.eps), np.zeros_like(hidden)
        for r, experts in enumerate(chosen):
            for expert, share in zip(experts, shares[r], strict=True):
                gate, up = np.split(w("experts.gate_up_proj")[expert], 2)
                out[r] += share * gated_mlp(rows[r], gate, up, w("experts.down_proj")[expert])
        return out
