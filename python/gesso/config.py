"""The configuration of a model. The field names are those of the Hugging Face text config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gesso import _native
from gesso.options import GenerationDefaults


@dataclass(frozen=True, kw_only=True)
class Config(GenerationDefaults):
    """A model's configuration.

    The fields for sliding and for full layers hold the shape of the first layer of that kind. `per_layer` holds the
    shape of every layer.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    moe_intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int  # of the sliding layers
    num_global_key_value_heads: int  # of the full layers
    head_dim: int  # of the sliding layers
    global_head_dim: int  # of the full layers
    num_experts: int
    top_k_experts: int
    sliding_window: int
    layer_types: tuple[str, ...]  # "sliding_attention" or "full_attention"
    max_position_embeddings: int
    rms_norm_eps: float
    final_logit_softcapping: float
    rope_theta_sliding: float
    rope_theta_full: float
    pad_token_id: int
    bos_token_id: int
    eos_token_id: int
    placeholder_token_ids: tuple[int, ...]  # they stand for images, audio and video; prompts with them are refused
    canvas_length: int
    per_layer: tuple[tuple[int, int], ...]  # (key-value heads, head dim) of each layer

    @classmethod
    def from_native(cls, native: _native.ModelConfig) -> Config:
        layers = native.layers
        generation: dict[str, Any] = native.generation
        # A model may have layers of one kind only. The fields of the other kind then hold the first layer's shape.
        sliding = next((layer for layer in layers if layer.is_sliding), layers[0])
        full = next((layer for layer in layers if not layer.is_sliding), layers[0])
        derived: dict[str, Any] = {
            "num_key_value_heads": sliding.num_key_value_heads,
            "num_global_key_value_heads": full.num_key_value_heads,
            "head_dim": sliding.head_dim,
            "global_head_dim": full.head_dim,
            "layer_types": tuple("sliding_attention" if x.is_sliding else "full_attention" for x in layers),
            "per_layer": tuple((x.num_key_value_heads, x.head_dim) for x in layers),
            "placeholder_token_ids": tuple(native.placeholder_token_ids),
            "end_token_ids": tuple(generation["end_token_ids"]),
        }
        for name in cls.__dataclass_fields__:
            if name not in derived:
                derived[name] = _clean(generation[name] if name in generation else getattr(native, name))
        return cls(**derived)


def _clean(value: Any) -> Any:
    """Rounds a float32 field to 7 digits, so that it reads 0.1 and not 0.10000000149. Other values stay unchanged."""
    return float(f"{value:.7g}") if isinstance(value, float) else value
