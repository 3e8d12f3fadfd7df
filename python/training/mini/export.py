"""Writes the model as a Hugging Face folder, and that folder as a GGUF file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from gesso.files import gguf_writer
from gesso.files.hf import export as hf
from mini import tokenizer as mini_tokenizer
from mini.rendering import TEMPLATE
from mini.sizes import Sizes

ABOUT = {
    "general.name": "Mini",
    "general.description": "A small model of DiffusionGemma's architecture, which talks, calculates and calls tools",
    "general.license": "apache-2.0",
    "general.size_label": "7M",
    "general.tags": ["text-generation"],
    "general.languages": ["en"],
}
ENCODER_SCALAR = "encoder_scalars."
FILE_TYPES = {"F32": 0, "BF16": 32, "Q8_0": 7}


def config(sizes: Sizes) -> dict[str, Any]:
    """Returns config.json."""
    full_rope = {
        "rope_type": "proportional",
        "partial_rotary_factor": sizes.full_rotated,
        "rope_theta": sizes.full_theta,
    }
    text = {
        "model_type": "diffusion_gemma_text",
        "vocab_size": sizes.vocab,
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.dense,
        "moe_intermediate_size": sizes.expert,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "num_global_key_value_heads": sizes.full_kv_heads,
        "head_dim": sizes.head_dim,
        "global_head_dim": sizes.full_head_dim,
        "num_experts": sizes.experts,
        "top_k_experts": sizes.active_experts,
        "sliding_window": sizes.window,
        "layer_types": ["full_attention" if sizes.is_full(i) else "sliding_attention" for i in range(sizes.layers)],
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "final_logit_softcapping": 30.0,
        "hidden_activation": "gelu_pytorch_tanh",
        "attention_bias": False,
        "rope_parameters": {
            "full_attention": full_rope,
            "sliding_attention": {"rope_type": "default", "rope_theta": sizes.theta},
        },
        "pad_token_id": mini_tokenizer.PAD,
        "bos_token_id": mini_tokenizer.BOS,
        "eos_token_id": mini_tokenizer.EOS,
        "use_bidirectional_attention": "vision",
    }
    return {
        "architectures": ["DiffusionGemmaForBlockDiffusion"],
        "model_type": "diffusion_gemma",
        "canvas_length": sizes.canvas,
        "tie_word_embeddings": True,
        "eos_token_id": list(mini_tokenizer.END_TOKENS),
        "text_config": text,
    }


def generation_config(sizes: Sizes) -> dict[str, Any]:
    return {
        "max_new_tokens": sizes.canvas,
        "max_denoising_steps": 48,
        "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.1},
        "t_min": 0.4,
        "t_max": 0.8,
        "stability_threshold": 1,
        "confidence_threshold": 0.005,
        "eos_token_id": list(mini_tokenizer.END_TOKENS),
        "pad_token_id": mini_tokenizer.PAD,
        "bos_token_id": mini_tokenizer.BOS,
    }


def published_name(name: str) -> str:
    """Returns the name that a published checkpoint has for a parameter."""
    if name.startswith(ENCODER_SCALAR):
        return f"model.encoder.language_model.layers.{name.removeprefix(ENCODER_SCALAR)}.layer_scalar"
    return f"model.decoder.{name}"


def write_folder(directory: Path, weights: dict[str, Tensor], sizes: Sizes) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {published_name(name): tensor.detach().float().contiguous() for name, tensor in weights.items()}
    (directory / "model.safetensors").write_bytes(save(tensors, {"format": "pt"}))
    for name, value in (("config", config(sizes)), ("generation_config", generation_config(sizes))):
        (directory / f"{name}.json").write_text(json.dumps(value, indent=1), encoding="utf-8")
    mini_tokenizer.load().save(str(directory / "tokenizer.json"))
    (directory / "chat_template.jinja").write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")


def write_gguf(directory: Path, file: Path, dtype: str) -> None:
    """Writes a folder of `write_folder` as a GGUF file with matrices of this type: F32, BF16 or Q8_0."""
    metadata, tensors = hf.read_folder(directory)
    metadata |= ABOUT | {"general.file_type": FILE_TYPES[dtype]}
    file.parent.mkdir(parents=True, exist_ok=True)
    gguf_writer.write_gguf(file, metadata, tensors, gguf_writer.matrices_as(dtype))
