"""Says what the GGUF keys and tensors of an error message are called in the folder that a checkpoint came from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gesso import _native
from gesso._native import FormatError
from gesso.files.checkpoint import ARCHITECTURE
from gesso.files.hf.names import ALTERNATIVES, NAMES

# What has no entry here is in no field, or has another name for each layer.
TEXT_FIELDS = {
    "vocab_size": "vocab_size",
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "expert_feed_forward_length": "moe_intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "global_head_dim",
    "attention.key_length_swa": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.sliding_window": "sliding_window",
    "attention.sliding_window_pattern": "layer_types",
    "expert_count": "num_experts",
    "expert_used_count": "top_k_experts",
    "final_logit_softcapping": "final_logit_softcapping",
    "rope.freq_base": "rope_parameters.full_attention.rope_theta",
    "rope.freq_base_swa": "rope_parameters.sliding_attention.rope_theta",
}
PLACES = {f"{ARCHITECTURE}.{key}": f"text_config.{field} of config.json" for key, field in TEXT_FIELDS.items()} | {
    "diffusion.canvas_length": "canvas_length of config.json",
    "diffusion.eb_entropy_bound": "sampler_config.entropy_bound of generation_config.json",
    "gesso.image_token_id": "image_token_id of config.json",
    "tokenizer.chat_template": "chat_template.jinja",
    "tokenizer.ggml.merges": "model.merges of tokenizer.json",
    "tokenizer.ggml.tokens": "model.vocab of tokenizer.json",
}
KEY = re.compile(r"(?<![\w.-])[a-z_-]+(\.\w+)+")  # also the name of a tensor
LAYER = re.compile(r"blk\.(\d+)\.")
TENSORS = {gguf: name for names in (ALTERNATIVES, NAMES) for name, gguf in names.items()}


@contextmanager
def naming_fields(directory: Path) -> Iterator[None]:
    """Lets FormatErrors name the folder, and behind the keys and tensors of GGUF what the folder calls them."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{directory}: {with_fields(str(error))}") from None


def with_fields(message: str) -> str:
    """A line of the message ends with the folder's name for the first key or tensor in it, in brackets."""
    return "\n".join(line + next((f" ({place})" for place in _places(line)), "") for line in message.split("\n"))


def _places(line: str) -> Iterator[str]:
    options = {option.checkpoint_key: option.name for option in _native.generation_options()}
    for found in KEY.finditer(line):
        key = found[0]
        layer = LAYER.match(key)
        tensor = TENSORS.get(LAYER.sub("blk.N.", key))
        if tensor is not None:
            yield tensor.replace(".N.", f".{layer[1]}.") if layer else tensor
        elif key in PLACES:
            yield PLACES[key]
        elif key in options:
            yield f"{options[key]} of generation_config.json"
