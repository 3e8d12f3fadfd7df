"""Reads a Hugging Face checkpoint folder into GGUF terms: the metadata keys and tensors its GGUF would have.

    checkpoint = read_checkpoint(directory)
    checkpoint.metadata             GGUF key -> Python value, see `hf_config.py` and `hf_tokenizer.py`
    for tensor in checkpoint.tensors(): ...        `Tensor` views of the mapped shards

So a folder and a GGUF file go through one and the same native parser. Files read: config.json, generation_config.json,
tokenizer.json, tokenizer_config.json, chat_template.jinja (all but the first are optional) and the safetensors files.
A missing file raises FileNotFoundError; content that is malformed or not supported raises ValueError with file, field,
what was expected and what was found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from gesso.hf_config import ARCHITECTURE, read_config_metadata, read_json
from gesso.hf_tokenizer import read_tokenizer_metadata
from gesso.tensor import Tensor

ELEMENT_TYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}  # how NumPy holds each
UNROTATED = 1e30  # frequency divisor of a pair that keeps its angle at (almost exactly) 0

# HF name -> GGUF name; N stands for the layer number. Shapes and values are the same on both sides.
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
# Vision weights, and copies of decoder weights (the text encoder and the head share the decoder's tensors).
DROPPED = re.compile(r"model\.encoder\.|lm_head\.weight$")


def gguf_name(hf_name: str) -> str | None:
    """GGUF name of a tensor, or None for one that is left out (vision, tied copies). Unknown names are a KeyError."""
    pattern = re.sub(r"\.layers\.(\d+)\.", ".layers.N.", hf_name, count=1)
    if pattern in NAMES:
        layer = re.search(r"\.layers\.(\d+)\.", hf_name)
        return NAMES[pattern].replace("N", layer[1], 1) if layer else NAMES[pattern]
    if DROPPED.match(hf_name):
        return None
    raise KeyError(hf_name)


def stays_float32(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a GGUF stores this tensor in float32 whatever the file's type: vectors, norms and the router."""
    return len(shape) < 2 or "norm" in name or name.endswith("ffn_gate_inp.weight")


class Checkpoint:
    """A checkpoint folder: `metadata`, and its weights through `tensors()`."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.metadata, self._rotated_pairs = read_config_metadata(directory)
        self.metadata |= read_tokenizer_metadata(directory, self.metadata[f"{ARCHITECTURE}.vocab_size"])
        self.shards = self._find_shards()

    def _find_shards(self) -> list[Path]:
        """The safetensors files, all of which exist."""
        index = read_json(self.directory / "model.safetensors.index.json")
        if index is None:
            file = self.directory / "model.safetensors"
            if not file.exists():
                raise FileNotFoundError(f"{file}: no such file, and no model.safetensors.index.json beside it")
            return [file]
        names = index.object("weight_map").values.values()
        for name in names:
            if not isinstance(name, str) or Path(name).name != name:
                raise ValueError(f"{index.file}: weight_map: expected file names in the same folder, got {name!r}")
        shards = [self.directory / name for name in sorted(set(names))]
        for shard in shards:
            if not shard.exists():
                raise FileNotFoundError(f"{shard}: shard named in {index.file.name} is missing")
        return shards

    def tensors(self) -> Iterator[Tensor]:
        """All weights, mapped from their files: matrices as stored, vectors, norms and the router in float32."""
        for shard in self.shards:
            yield from _read_shard(shard)
        pairs = self.metadata[f"{ARCHITECTURE}.attention.key_length"] // 2
        divisors = np.where(np.arange(pairs) < self._rotated_pairs, 1.0, UNROTATED).astype(np.float32)
        yield Tensor("rope_freqs.weight", "F32", divisors.shape, divisors, "(generated)")


def _read_shard(shard: Path) -> Iterator[Tensor]:
    """Tensors as views of the mapped file: nothing is read before it is used."""
    header = _check_header(shard)
    mapped = np.memmap(shard, np.uint8, "r")
    for hf_name, entry in header.items():
        try:
            name = gguf_name(hf_name)
        except KeyError:
            raise ValueError(f"{shard}: {hf_name}: unknown tensor") from None
        if name is not None:
            if entry["dtype"] not in ELEMENT_TYPES:
                raise ValueError(f"{shard}: {hf_name}: expected F32, F16 or BF16, got {entry['dtype']}")
            yield _to_tensor(name, hf_name, entry["dtype"], _view_tensor(mapped, entry))


def _check_header(shard: Path) -> dict[str, dict[str, Any]]:
    """Name -> dtype, shape and data_offsets (from the file's start), after package safetensors has found them sound.

    The package itself hands out copies only. Format: https://github.com/huggingface/safetensors#format
    """
    try:
        with safe_open(shard, framework="numpy"):
            pass
    except SafetensorError as error:
        raise ValueError(f"{shard}: not a readable safetensors file: {error}") from None
    with open(shard, "rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(header_bytes))
    header.pop("__metadata__", None)
    for entry in header.values():
        entry["data_offsets"] = [8 + header_bytes + offset for offset in entry["data_offsets"]]
    return header


def _view_tensor(mapped: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    begin, end = entry["data_offsets"]
    data = mapped[begin:end].view(ELEMENT_TYPES[entry["dtype"]]).reshape(entry["shape"])
    # The format aligns its header, not each tensor: float32 may follow an odd number of 16-bit elements.
    return data if data.flags.aligned else data.copy()


def _to_tensor(name: str, hf_name: str, dtype: str, data: np.ndarray) -> Tensor:
    shape = data.shape or (1,)
    tensor = Tensor(name, dtype, shape, data.reshape(shape), hf_name)
    if stays_float32(name, shape):
        return Tensor(name, "F32", shape, tensor.to_float32(), hf_name)
    return tensor


def read_checkpoint(directory: str | Path) -> Checkpoint:
    """Opens a checkpoint folder; reads all JSON files and checks that the weight files exist, reads no weights yet."""
    return Checkpoint(Path(directory))
