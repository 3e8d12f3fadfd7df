"""Reads a Hugging Face checkpoint folder and gives it the metadata keys and tensors that its GGUF file would have.

    checkpoint = read_checkpoint(directory)
    checkpoint.metadata             GGUF key -> Python value, see `config.py` and `tokenizer.py`
    for tensor in checkpoint.tensors(): ...        views of the mapped shards, or functions that make the values

So the same native code reads a folder and a GGUF file. These files are read: config.json, generation_config.json,
hf_quant_config.json, tokenizer.json, tokenizer_config.json, chat_template.jinja and the safetensors files. Of the files
that are not safetensors only config.json must exist. `compression.py` finds out how weights are compressed, and
`compressed.py` converts them.

A missing file raises FileNotFoundError. Content that is malformed or not supported raises ValueError, which names the
file and the field, what was expected and what was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gesso.files.checkpoint import integer
from gesso.files.hf.compressed import quantized_tensors, split
from gesso.files.hf.compression import read_compression
from gesso.files.hf.config import read_config_metadata
from gesso.files.hf.shards import Shards, StoredTensor
from gesso.files.hf.tokenizer import read_tokenizer_metadata
from gesso.files.presets import stays_float32
from gesso.files.tensor import FLOAT_TYPES, Tensor

UNROTATED = 1e30  # a pair of dimensions whose frequency is divided by this is rotated by an angle of almost exactly 0

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
# These tensors are not read: vision weights; the text encoder and the head, which share the decoder's tensors; and the
# scales of a compressed key-value cache, which gesso does not have.
DROPPED = re.compile(r"model\.encoder\.|lm_head\.|model\.decoder\.layers\.\d+\.self_attn\.([kv]_proj\.)?[qkv]_scale$")

# An embedding, with any prefix. A compressed one may have another last part.
SHORT_LIST = 1 << 18  # lists of so many tokens take a second; what does not fit is then found with all other tensors
EMBEDDING = re.compile(r"(^|\.)embed_tokens\.weight(_packed)?$")


def _pattern(hf_name: str) -> str:
    return re.sub(r"\.layers\.(\d+)\.", ".layers.N.", hf_name, count=1)


def is_dropped(hf_name: str) -> bool:
    """Whether a GGUF file has nothing for this tensor, see `DROPPED`."""
    return _pattern(hf_name) not in NAMES and DROPPED.match(hf_name) is not None


def gguf_name(hf_name: str) -> str:
    """Returns the GGUF name of a tensor. Raises KeyError if the tensor is unknown or not read."""
    layer = re.search(r"\.layers\.(\d+)\.", hf_name)
    name = NAMES[_pattern(hf_name)]
    return name.replace("N", layer[1], 1) if layer else name


def rope_freqs(num_pairs: int, rotated_pairs: int) -> Tensor:
    """Makes rope_freqs.weight, float32 [num_pairs]: the full layers divide their rotary frequencies by these numbers.

    The first `rotated_pairs` pairs get 1. The others get UNROTATED, so that they are not rotated.
    """
    divisors = np.where(np.arange(num_pairs) < rotated_pairs, 1.0, UNROTATED).astype(np.float32)
    return Tensor("rope_freqs.weight", "F32", divisors.shape, divisors, "(generated)")


class Checkpoint:
    """A checkpoint folder. It has `metadata` and `tensors()`, as `write_gguf` takes them."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.compression = read_compression(directory)
        self.metadata, self._rotated_pairs = read_config_metadata(directory)
        self.shards = Shards(directory)
        self._check_vocabulary(integer(self.metadata, "vocab_size"))
        self.metadata |= read_tokenizer_metadata(directory, integer(self.metadata, "vocab_size"))

    def _check_vocabulary(self, vocab_size: int) -> None:
        """Raises ValueError if a large vocabulary has an embedding, but none with a row for each token.

        The tokenizer makes lists of this length, which a folder of a few bytes must not choose.
        """
        if vocab_size <= SHORT_LIST:
            return
        found = [tensor for name, tensor in self.shards.tensors().items() if EMBEDDING.search(name)]
        if found and all(tensor.shape[:1] != (vocab_size,) for tensor in found):
            raise found[0].error(f"vocab_size = {vocab_size} rows")

    def tensors(self) -> Iterator[Tensor]:
        """Yields all weights. It reads the files' headers only; values are read or made each time they are asked for.

        Matrices have the type in which they are stored; for compressed ones see `compressed.py`. Vectors, norms and the
        router are F32.
        """
        stored = {name: tensor for name, tensor in self.shards.tensors().items() if not is_dropped(name)}
        plain, layers = split(stored, self.compression) if self.compression else (stored, {})
        tensors = {tensor.name: tensor for tensor in map(_plain_tensor, plain.values())}
        for tensor in self._compressed_tensors(layers):
            other = tensors.get(tensor.name)
            if tensor.name.endswith("ffn_down_exps.scale"):
                tensor = _with_router_scale(tensor, other)
            elif other is not None:
                raise ValueError(f"{self.directory}: {other.source} and {tensor.source}: expected only one of them")
            tensors[tensor.name] = tensor
        yield from tensors.values()
        yield rope_freqs(integer(self.metadata, "attention.key_length") // 2, self._rotated_pairs)

    def _compressed_tensors(self, layers: dict[str, dict[str, StoredTensor]]) -> Iterator[Tensor]:
        if self.compression is None:
            return
        num_experts = integer(self.metadata, "expert_count")
        yield from quantized_tensors(layers, self.compression, num_experts, _known_name)


def _known_name(file: Path, hf_name: str) -> str:
    try:
        return gguf_name(hf_name)
    except KeyError:
        raise ValueError(f"{file}: {hf_name}: unknown tensor") from None


def _plain_tensor(stored: StoredTensor) -> Tensor:
    if stored.dtype not in FLOAT_TYPES:
        raise stored.error("F32, F16 or BF16")
    name = _known_name(stored.file, stored.name)
    shape = stored.shape or (1,)
    tensor = Tensor(name, stored.dtype, shape, lambda: stored.values.reshape(shape), stored.name)
    return Tensor(name, "F32", shape, tensor.to_float32, stored.name) if stays_float32(name, shape) else tensor


def _with_router_scale(tensor: Tensor, router: Tensor | None) -> Tensor:
    """Multiplies the two factors of each expert's output: its weight scale and the router's per_expert_scale.

    GGUF has only one tensor for both.
    """
    if router is None or router.shape != tensor.shape:
        got = f"got {list(router.shape)}" if router else "which is missing"
        raise ValueError(f"{tensor.source}: expected a router.per_expert_scale of {list(tensor.shape)} with it, {got}")
    return Tensor(
        tensor.name, "F32", tensor.shape, lambda: router.data * tensor.data, f"{router.source} * {tensor.source}"
    )


def read_checkpoint(directory: str | Path) -> Checkpoint:
    """Opens a checkpoint folder. Reads its JSON files and the headers of the weight files, but no weights."""
    return Checkpoint(Path(directory))
