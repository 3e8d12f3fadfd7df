"""Makes a model of random weights of any size and type, for benchmarks and tests without the released weights.

    metadata, rotated_pairs = synth_metadata(directory, num_layers=None)
    shapes = tensor_shapes(metadata)
    types = plan_types(preset, ..., num_layers=...)
    tensors = synth_tensors(shapes, types, rotated_pairs, seed)

Drawing and quantising every value would take long. So about a million values are quantised for each type and spread,
and tensors are filled with random pieces of them. That is faster than reading a file from a disk.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.files.checkpoint import ARCHITECTURE, Value, integer, integers, outline
from gesso.files.gguf_writer import Stream
from gesso.files.hf.config import read_config_metadata
from gesso.files.hf.folder import rope_freqs
from gesso.files.hf.generation import read_generation_metadata
from gesso.files.tensor import Tensor, stored_bytes, tensor_types
from gesso.synth.tokenizer import synth_tokenizer_metadata

POOL_ELEMENTS = 1 << 20
UNIT_BYTES = 256  # a piece has at least so many bytes; smaller ones would be slower
CHUNK_BYTES = 32 << 20
SPREAD = 0.02  # the standard deviation of a vector's values, as a share of their mean
LOGIT_SPREAD = 5.0
# The router's inputs are about 1/sqrt(columns), so this spread gives scores of about 1, and tokens differ in their
# experts.
ROUTER_SPREAD = 1.0
LARGEST_DRAW = 6.0  # in standard deviations; among a million Gaussian values none is larger


def synth_metadata(directory: Path, num_layers: int | None = None) -> tuple[dict[str, Value], int]:
    """Returns the GGUF metadata of a model with the first `num_layers` layers, and the number of rotated pairs.

    The folder has a config.json and may have a generation_config.json. `rope_freqs` needs the number of rotated pairs,
    which is that of the full layers.
    """
    metadata, rotated_pairs = read_config_metadata(directory)
    metadata["general.name"] = f"{metadata['general.name']} with random weights"
    total = integer(metadata, "block_count")
    if num_layers is not None:
        if not 1 <= num_layers <= total:
            raise _native.ArgumentError(f"number of layers: expected 1 to {total}, got {num_layers}")
        metadata[f"{ARCHITECTURE}.block_count"] = num_layers
        for key in ("attention.head_count_kv", "attention.sliding_window_pattern"):
            metadata[f"{ARCHITECTURE}.{key}"] = integers(metadata, key)[:num_layers]
    _native.read_config(outline(metadata, []))  # raises an error if a size is out of bounds
    vocab_size = integer(metadata, "vocab_size")
    tokenizer = synth_tokenizer_metadata(vocab_size)
    return metadata | tokenizer | read_generation_metadata(directory, tokenizer, vocab_size), rotated_pairs


def tensor_shapes(metadata: Mapping[str, Value]) -> dict[str, tuple[int, ...]]:
    """Maps the names of a model's tensors to their shapes, in the order of the published files.

    Tensors that belong to no layer come first, then the tensors of each layer.
    """
    size = partial(integer, metadata)
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
    layers = zip(
        integers(metadata, "attention.sliding_window_pattern"),
        integers(metadata, "attention.head_count_kv"),
        strict=True,
    )
    for layer, (is_sliding, kv_heads) in enumerate(layers):
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
    """Returns the names and shapes of a layer's tensors except those of the attention."""
    norms = ["attn_norm", "post_attention_norm", "ffn_norm"]
    norms += ["post_ffw_norm", "post_ffw_norm_1", "post_ffw_norm_2", "pre_ffw_norm_2"]
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
    """Returns tensors whose values are drawn when they are asked for. The same seed gives the same values.

    The spread of a matrix is such that its outputs are as large as its inputs. Every sublayer ends in a norm with
    weights of about 1, so the activations behind layer l are about sqrt(2 l). The norms of queries and keys are such
    that attention scores are about 1.

    The output norm gives the logits the spread that a trained model's have, 5 before the cap. With a vocabulary of
    262144 and a cap of 30, the entropy is then about 4.7 nats at temperature 0.8, 3 at 0.6 and 1.4 at 0.4. At these
    temperatures, all but a thousandth of the probability is on the likeliest 10000, 2000 and 100 tokens. The cost of
    self-conditioning depends on that number. The signs of the output norm are random. With equal signs, every position
    would predict the token that it has, because the head is the embedding matrix and a row keeps much of its own
    embedding.
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
) -> npt.NDArray[np.float32]:
    rng = draw()
    values: npt.NDArray[np.float64] = mean * (1 + SPREAD * rng.standard_normal(shape))
    if has_signs:
        values *= rng.choice([-1.0, 1.0], shape)
    return values.astype(np.float32)


def _spread(name: str, shape: tuple[int, ...]) -> float:
    return ROUTER_SPREAD if name.endswith("ffn_gate_inp.weight") else shape[-1] ** -0.5


def _scale(dtype: str, shape: tuple[int, ...]) -> float:
    """Returns the weight scale with which NVFP4 uses its whole range. Other types have no scale; for them it is 1."""
    return LARGEST_DRAW * shape[-1] ** -0.5 / _native.LARGEST_NVFP4 if dtype == "NVFP4" else 1.0


def _matrix(
    name: str,
    shape: tuple[int, ...],
    dtype: str,
    pools: Callable[[str, float], npt.NDArray[np.uint8]],
    draw: Callable[[], np.random.Generator],
) -> list[Tensor]:
    """Returns a matrix, and its `.scale` if its type has one."""
    scale = _scale(dtype, shape)
    num_bytes = stored_bytes(dtype, shape)

    def make_chunks() -> Iterator[npt.NDArray[np.uint8]]:
        return _pick(pools(dtype, _spread(name, shape) / scale), num_bytes, draw())

    matrix = Stream(name, dtype, shape, np.empty(0), make_chunks=make_chunks)
    if dtype != "NVFP4" or name.endswith("ffn_down_exps.weight"):
        return [matrix]
    scales = np.full(shape[0] if len(shape) == 3 else 1, scale, np.float32)
    return [matrix, Tensor(name.replace(".weight", ".scale"), "F32", scales.shape, scales)]


def _make_pool(dtype: str, spread: float, *, seed: int) -> npt.NDArray[np.uint8]:
    """Quantises about a million Gaussian values: uint8 [units, unit_bytes]. A unit is a whole number of blocks."""
    entry = tensor_types()[dtype]
    unit_elements = -(-UNIT_BYTES // entry.block_bytes) * entry.block_elements
    values = np.random.default_rng(seed).standard_normal((POOL_ELEMENTS // unit_elements, unit_elements), np.float32)
    data = _native.quantize("F32", values.reshape(-1).view(np.uint8), dtype, unit_elements, multiplier=spread)
    return data.reshape(len(values), -1)


def _pick(pool: npt.NDArray[np.uint8], num_bytes: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.uint8]]:
    """Yields `num_bytes` bytes of random units of the pool.

    The last unit may be cut. The cut is at the end of a block, because `num_bytes` is a whole number of blocks.
    """
    unit_bytes = pool.shape[1]
    buffer = np.empty((CHUNK_BYTES // unit_bytes, unit_bytes), np.uint8)
    for first in range(0, num_bytes, buffer.nbytes):
        wanted = min(buffer.nbytes, num_bytes - first)
        units = buffer[: -(-wanted // unit_bytes)]
        # With mode="raise", NumPy would write to a temporary copy of `out`.
        np.take(pool, rng.integers(0, len(pool), len(units)), axis=0, out=units, mode="clip")
        yield units.reshape(-1)[:wanted]
