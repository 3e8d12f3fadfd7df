"""A model of random weights, of any size and type: for benchmarks and tests without the released weights.

    metadata = synth_metadata(directory, num_layers=None)
    types = plan_types(preset, shapes, num_layers=...)
    tensors = synth_tensors(metadata, types, seed)

Quantised blocks are not made one by one: a pool of some thousand is quantised for each type and spread, and tensors are
filled with random picks from it, which is faster than any disk.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from gesso import _native
from gesso.files.checkpoint import ARCHITECTURE, outline
from gesso.files.gguf_writer import Stream
from gesso.files.hf.config import read_config_metadata
from gesso.files.hf.folder import rope_freqs
from gesso.files.tensor import Tensor, stored_bytes, tensor_types
from gesso.files.weight_scales import LARGEST
from gesso.synth.tokenizer import synth_tokenizer_metadata

POOL_ELEMENTS = 1 << 20
UNIT_BYTES = 256  # picked at a time, at least: fewer are slower
CHUNK_BYTES = 32 << 20
SPREAD = 0.02  # of vectors, around their mean
LOGIT_SPREAD = 5.0
ROUTER_SPREAD = 1.0  # its input has 1/sqrt(columns): scores of about 1, so that tokens differ in their experts
LARGEST_DRAW = 6.0  # standard deviations; a million Gaussian values have none beyond


def synth_metadata(directory: Path, num_layers: int | None = None) -> tuple[dict[str, Any], int]:
    """GGUF metadata of a model with the config.json (and generation_config.json) in `directory`, its first layers only.

    Also returns the number of rotated pairs of the full layers, for `rope_freqs`.
    """
    metadata, rotated_pairs = read_config_metadata(directory)
    metadata["general.name"] += " with random weights"
    total = metadata[f"{ARCHITECTURE}.block_count"]
    if num_layers is not None:
        if not 1 <= num_layers <= total:
            raise ValueError(f"number of layers: expected 1 to {total}, got {num_layers}")
        metadata[f"{ARCHITECTURE}.block_count"] = num_layers
        for key in ("attention.head_count_kv", "attention.sliding_window_pattern"):
            metadata[f"{ARCHITECTURE}.{key}"] = metadata[f"{ARCHITECTURE}.{key}"][:num_layers]
    _native.read_config(outline(metadata, []))  # has bounds for every size
    return metadata | synth_tokenizer_metadata(metadata[f"{ARCHITECTURE}.vocab_size"]), rotated_pairs


def tensor_shapes(metadata: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model's tensors, in the order of the published files: global ones, then layer by layer."""

    def size(key: str) -> Any:
        return metadata[f"{ARCHITECTURE}.{key}"]

    hidden, ffn = size("embedding_length"), size("feed_forward_length")
    shapes: dict[str, tuple[int, ...]] = {
        "output_norm.weight": (hidden,),
        "rope_freqs.weight": (size("attention.key_length") // 2,),
        "self_cond_down.weight": (hidden, ffn),
        "self_cond_gate.weight": (ffn, hidden),
        "self_cond_pre_norm.weight": (hidden,),
        "self_cond_up.weight": (ffn, hidden),
        "token_embd.weight": (size("vocab_size"), hidden),
    }
    pattern = size("attention.sliding_window_pattern")
    for layer, (is_sliding, kv_heads) in enumerate(zip(pattern, size("attention.head_count_kv"), strict=True)):
        head_dim = size("attention.key_length_swa" if is_sliding else "attention.key_length")
        attention = {
            "attn_k.weight": (kv_heads * head_dim, hidden),
            "attn_k_norm.weight": (head_dim,),
            "attn_output.weight": (hidden, size("attention.head_count") * head_dim),
            "attn_q.weight": (size("attention.head_count") * head_dim, hidden),
            "attn_q_norm.weight": (head_dim,),
        }
        if is_sliding:
            attention["attn_v.weight"] = (kv_heads * head_dim, hidden)
        tensors = attention | _feed_forward_shapes(
            hidden, ffn, size("expert_count"), size("expert_feed_forward_length")
        )
        shapes |= {f"blk.{layer}.{name}": tensors[name] for name in sorted(tensors)}
    return shapes


def _feed_forward_shapes(hidden: int, ffn: int, experts: int, expert_ffn: int) -> dict[str, tuple[int, ...]]:
    """Everything of a layer but the attention."""
    norms = ("attn_norm", "post_attention_norm", "ffn_norm")
    norms += ("post_ffw_norm", "post_ffw_norm_1", "post_ffw_norm_2", "pre_ffw_norm_2")
    return {f"{name}.weight": (hidden,) for name in norms} | {
        "ffn_gate.weight": (ffn, hidden),
        "ffn_up.weight": (ffn, hidden),
        "ffn_down.weight": (hidden, ffn),
        "ffn_gate_inp.weight": (experts, hidden),
        "ffn_gate_inp.scale": (hidden,),
        "ffn_gate_up_exps.weight": (experts, 2 * expert_ffn, hidden),
        "ffn_down_exps.weight": (experts, hidden, expert_ffn),
        "ffn_down_exps.scale": (experts,),
        "layer_output_scale.weight": (1,),
        "enc_layer_output_scale.weight": (1,),
    }


def synth_tensors(
    shapes: Mapping[str, tuple[int, ...]], types: Mapping[str, str], rotated_pairs: int, seed: int
) -> list[Tensor]:
    """Tensors whose values are drawn when they are asked for; the same seed, the same values.

    Matrices keep the size of what they multiply, and every sublayer ends in a norm of about 1: the activations of layer
    l are about sqrt(2 l). Norms of queries and keys are such that attention scores are about 1.

    The output norm gives logits the spread of a trained model's: 5 before the cap. With a vocabulary of 262144 and a
    cap of 30 the entropy is then about 4.7 nats at temperature 0.8, 3 at 0.6 and 1.4 at 0.4, and a thousandth of the
    mass lies beyond the likeliest 10000, 2000 and 100 tokens: what self-conditioning costs depends on that. Its signs
    are random, or every position would expect the token it has: the head is the embedding again, and a row keeps much
    of its own.
    """
    pools = cache(partial(_make_pool, seed=seed))
    tensors = []
    for name, shape in shapes.items():
        draw = partial(_random, seed, name)
        if name == "rope_freqs.weight":
            tensors.append(rope_freqs(shape[0], rotated_pairs))
        elif len(shape) == 1:
            mean = _mean(name, shape)
            if name.endswith("ffn_down_exps.scale"):
                mean *= _scale(types[name.replace(".scale", ".weight")], shapes[name.replace(".scale", ".weight")])
            values = partial(_vector, draw, shape, mean, has_signs=name == "output_norm.weight")
            tensors.append(Tensor(name, "F32", shape, values))
        else:
            tensors += _matrix(name, shape, types[name], pools, draw)
    return tensors


def _random(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _mean(name: str, shape: tuple[int, ...]) -> float:
    if name == "output_norm.weight":
        return LOGIT_SPREAD
    return shape[0] ** -0.25 if name.endswith(("attn_q_norm.weight", "attn_k_norm.weight")) else 1.0


def _vector(
    draw: Callable[[], np.random.Generator], shape: tuple[int, ...], mean: float, has_signs: bool
) -> np.ndarray:
    rng = draw()
    values = mean * (1 + SPREAD * rng.standard_normal(shape))
    if has_signs:
        values *= rng.choice([-1.0, 1.0], shape)
    return values.astype(np.float32)


def _spread(name: str, shape: tuple[int, ...]) -> float:
    return ROUTER_SPREAD if name.endswith("ffn_gate_inp.weight") else shape[-1] ** -0.5


def _scale(dtype: str, shape: tuple[int, ...]) -> float:
    """The weight scale that brings NVFP4 its whole range; 1 for all other types, which have none."""
    return LARGEST_DRAW * shape[-1] ** -0.5 / LARGEST if dtype == "NVFP4" else 1.0


def _matrix(
    name: str, shape: tuple[int, ...], dtype: str, pools: Callable[..., np.ndarray], draw: Callable[[], Any]
) -> list[Tensor]:
    """A matrix, with the `.scale` that belongs to it if its type has one."""
    scale = _scale(dtype, shape)
    num_bytes = stored_bytes(dtype, shape)

    def make_chunks() -> Iterator[np.ndarray]:
        return _pick(pools(dtype, _spread(name, shape) / scale), num_bytes, draw())

    matrix = Stream(name, dtype, shape, np.empty(0), make_chunks=make_chunks)
    if dtype != "NVFP4" or name.endswith("ffn_down_exps.weight"):
        return [matrix]
    scales = np.full(shape[0] if len(shape) == 3 else 1, scale, np.float32)
    return [matrix, Tensor(name.replace(".weight", ".scale"), "F32", scales.shape, scales)]


def _make_pool(dtype: str, spread: float, *, seed: int) -> np.ndarray:
    """Gaussian values in blocks, uint8 [units, unit_bytes]: a unit is a whole number of blocks."""
    entry = tensor_types()[dtype]
    unit_elements = -(-UNIT_BYTES // entry.block_bytes) * entry.block_elements
    values = np.random.default_rng(seed).standard_normal((POOL_ELEMENTS // unit_elements, unit_elements), np.float32)
    data = _native.quantize("F32", values.reshape(-1).view(np.uint8), dtype, unit_elements, multiplier=spread)
    return data.reshape(len(values), -1)


def _pick(pool: np.ndarray, num_bytes: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Bytes of random units of the pool; the last one may be cut, at a block's end as num_bytes is whole blocks."""
    unit_bytes = pool.shape[1]
    buffer = np.empty((CHUNK_BYTES // unit_bytes, unit_bytes), np.uint8)
    for first in range(0, num_bytes, buffer.nbytes):
        wanted = min(buffer.nbytes, num_bytes - first)
        units = buffer[: -(-wanted // unit_bytes)]
        np.take(pool, rng.integers(0, len(pool), len(units)), axis=0, out=units, mode="clip")  # "raise" would copy
        yield units.reshape(-1)[:wanted]
