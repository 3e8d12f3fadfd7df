"""The names of tensors in checkpoint folders: what they are in GGUF, and what tools make of them."""

from __future__ import annotations

import re

# Maps Hugging Face names to GGUF names. N stands for the layer number. Shapes and values are the same on both sides.
NAMES = {
    "model.decoder.embed_tokens.weight": "token_embd.weight",
    "model.decoder.norm.weight": "output_norm.weight",
    "model.decoder.self_conditioning.pre_norm.weight": "self_cond_pre_norm.weight",
    "model.decoder.self_conditioning.gate_proj.weight": "self_cond_gate.weight",
    "model.decoder.self_conditioning.up_proj.weight": "self_cond_up.weight",
    "model.decoder.self_conditioning.down_proj.weight": "self_cond_down.weight",
    "model.decoder.layers.N.input_layernorm.weight": "blk.N.attn_norm.weight",
    "model.decoder.layers.N.self_attn.q_proj.weight": "blk.N.attn_q.weight",
    "model.decoder.layers.N.self_attn.k_proj.weight": "blk.N.attn_k.weight",
    "model.decoder.layers.N.self_attn.v_proj.weight": "blk.N.attn_v.weight",
    "model.decoder.layers.N.self_attn.o_proj.weight": "blk.N.attn_output.weight",
    "model.decoder.layers.N.self_attn.q_norm.weight": "blk.N.attn_q_norm.weight",
    "model.decoder.layers.N.self_attn.k_norm.weight": "blk.N.attn_k_norm.weight",
    "model.decoder.layers.N.post_attention_layernorm.weight": "blk.N.post_attention_norm.weight",
    "model.decoder.layers.N.pre_feedforward_layernorm.weight": "blk.N.ffn_norm.weight",
    "model.decoder.layers.N.mlp.gate_proj.weight": "blk.N.ffn_gate.weight",
    "model.decoder.layers.N.mlp.up_proj.weight": "blk.N.ffn_up.weight",
    "model.decoder.layers.N.mlp.down_proj.weight": "blk.N.ffn_down.weight",
    "model.decoder.layers.N.post_feedforward_layernorm_1.weight": "blk.N.post_ffw_norm_1.weight",
    "model.decoder.layers.N.pre_feedforward_layernorm_2.weight": "blk.N.pre_ffw_norm_2.weight",
    "model.decoder.layers.N.post_feedforward_layernorm_2.weight": "blk.N.post_ffw_norm_2.weight",
    "model.decoder.layers.N.post_feedforward_layernorm.weight": "blk.N.post_ffw_norm.weight",
    "model.decoder.layers.N.router.proj.weight": "blk.N.ffn_gate_inp.weight",
    "model.decoder.layers.N.router.scale": "blk.N.ffn_gate_inp.scale",
    "model.decoder.layers.N.router.per_expert_scale": "blk.N.ffn_down_exps.scale",
    "model.decoder.layers.N.experts.gate_up_proj": "blk.N.ffn_gate_up_exps.weight",
    "model.decoder.layers.N.experts.down_proj": "blk.N.ffn_down_exps.weight",
    "model.decoder.layers.N.layer_scalar": "blk.N.layer_output_scale.weight",
    "model.encoder.language_model.layers.N.layer_scalar": "blk.N.enc_layer_output_scale.weight",
}
# Other names for experts: with a `.weight`, or with gate and up apart.
EXPERTS = "model.decoder.layers.N.experts"
ALTERNATIVES = {
    f"{EXPERTS}.gate_up_proj.weight": "blk.N.ffn_gate_up_exps.weight",
    f"{EXPERTS}.down_proj.weight": "blk.N.ffn_down_exps.weight",
    f"{EXPERTS}.gate_proj": "blk.N.ffn_gate_exps.weight",
    f"{EXPERTS}.up_proj": "blk.N.ffn_up_exps.weight",
    f"{EXPERTS}.gate_proj.weight": "blk.N.ffn_gate_exps.weight",
    f"{EXPERTS}.up_proj.weight": "blk.N.ffn_up_exps.weight",
}

# torch.compile, FSDP, activation checkpointing and DeepSpeed put these modules around others, at any place.
WRAPPERS = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\.")
# PEFT, DDP and trainers put these in front, and a submodule that is saved alone lacks the outer "model.".
IN_FRONT = re.compile(r"(?:base_model\.model\.|module\.|model\.)+")
OF_DECODER = ("embed_tokens.", "norm.", "layers.", "self_conditioning.")
TEXT_ENCODER = "model.encoder.language_model."

# These tensors are not read, because nothing in gesso needs them or because the configuration gives the same numbers.
DROPPED = (
    r"model\.encoder\.(vision_tower|embed_vision|audio_tower|embed_audio)\..*",  # prompts with images are refused
    r"model\.decoder\.layers\.\d+\.self_attn\.([kv]_proj\.)?[qkv]_scale",  # of a compressed cache, which gesso lacks
    # Buffers: the reference computes them from the configuration and never reads them from a file.
    r"(.*\.)?rotary_emb\.((full|sliding)_attention_)?(original_)?inv_freq",
    r"model\.(decoder|encoder\.language_model)\.embed_tokens\.embed_scale",
    r"(.*\.)?position_ids",
    r"(.*\.)?_extra_state",  # of TransformerEngine, for its 8-bit training
)
_DROPPED = re.compile("|".join(DROPPED))

# What a name tells that no list has.
HINTS = (
    (r"lora_|\.base_layer\.|\.modules_to_save\.", "it is of an adapter that is not merged into the weights"),
    (r"\.(qweight|qzeros|g_idx|scales_and_zeros)$", "it is of weights that GPTQ or AWQ has compressed"),
    (r"\.(absmax|quant_map|nested_.*|quant_state.*|SCB|weight_format)$",
     "it is of weights that bitsandbytes has compressed"),
    (r"\.weight_scale_inv$", "it is of weights in FP8 with a scale per block"),
    (r"\.(weight_packed|weight_scale|weight_scale_2|weight_global_scale|weight_shape|weight_zero_point|input_scale)$",
     "it is of compressed weights, but config.json has no quantization_config that tells how"),
    (r"\.(scales|biases)$", "it is of weights that MLX has compressed"),
    (r"\.experts\.\d+\.w[123](\.|$)", "Mixtral has such names; w1 is called gate_proj here, w2 down_proj, w3 up_proj"),
    (r"\.block_sparse_moe\.", "Mixtral models have such names; gesso runs DiffusionGemma only"),
    (r"\.experts\.0\d+\.", "experts are numbered without zeros in front, experts.2 and not experts.02"),
    (r"\.bias$", "no layer of this model has a bias"),
    (r"(^|\.)(optimizer|exp_avg|exp_avg_sq|state)\.", "it is of the state of a training run"),
    (r"^model\.language_model\.|^language_model\.", "Gemma 4 models have such names; gesso runs DiffusionGemma only"),
    (r"^model\.diffusion_model\.|^transformer\.", "it is of another kind of model"),
)  # fmt: skip


def canonical_name(name: str) -> str:
    """Returns the reference's name of a tensor, without what wrappers and trainers have added.

    Example: `base_model.model.model.decoder._orig_mod.norm.weight` and `decoder.norm.weight` are both
    `model.decoder.norm.weight`. A name that is not of this model's shape comes back as it is.
    """
    bare = WRAPPERS.sub("", name)
    inner = IN_FRONT.sub("", bare, count=1) if IN_FRONT.match(bare) else bare
    if inner.startswith("lm_head."):
        return inner
    if inner.startswith(("decoder.", "encoder.")):
        return f"model.{inner}"
    return f"model.decoder.{inner}" if inner.startswith(OF_DECODER) else name


def decoders_name(name: str) -> str | None:
    """Returns the name of the decoder's tensor with which this one is tied. None for a tensor that is not tied.

    Each tensor of the text encoder is tied, except for its layer scalars. The head is tied to the embeddings.
    """
    if name == "lm_head.weight":
        return "model.decoder.embed_tokens.weight"
    if not name.startswith(TEXT_ENCODER) or _pattern(name) in NAMES:
        return None
    return f"model.decoder.{name.removeprefix(TEXT_ENCODER)}"


def _pattern(hf_name: str) -> str:
    return re.sub(r"\.layers\.(\d+)\.", ".layers.N.", hf_name, count=1)


def is_dropped(hf_name: str) -> bool:
    """Whether a GGUF file has nothing for this tensor, see `DROPPED`."""
    return _DROPPED.fullmatch(hf_name) is not None


def gguf_name(hf_name: str) -> str:
    """Returns the GGUF name of a tensor. Raises KeyError if the tensor is unknown or not read."""
    layer = re.search(r"\.layers\.(\d+)\.", hf_name)
    pattern = _pattern(hf_name)
    name = NAMES[pattern] if pattern in NAMES else ALTERNATIVES[pattern]
    return name.replace("N", layer[1], 1) if layer else name


def hint(hf_name: str) -> str:
    """Says what a tensor with an unknown name may be: ": it is of ...", or nothing."""
    return next((f": {what}" for pattern, what in HINTS if re.search(pattern, hf_name)), "")
