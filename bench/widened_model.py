"""Makes a model twice as wide that computes the same function, so that narrow rows fit blocks of 256.

Every hidden value h is there twice, [h, h]. So are the heads and the units of the experts. What keeps the function:

    matrices that read doubled values   columns halved and doubled: [W / 2, W / 2]
    matrices that write doubled values  rows doubled
    weights of norms                    doubled; the mean of squares, and so the norm, is the same for [h, h]
    token_embd                          doubled / sqrt(2), because it is multiplied by sqrt(hidden_size)
    output_norm                         / sqrt(2) as well: the head sums twice token_embd / sqrt(2) times it
    ffn_gate_inp.scale                  * sqrt(2), because it is multiplied by 1 / sqrt(hidden_size)

intermediate_size stays: neither ffn_down nor self_cond_down has narrow rows in the models this is for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gesso.files.checkpoint import ARCHITECTURE
from gesso.files.tensor import Tensor

DOUBLED_COUNTS = ("embedding_length", "attention.head_count", "attention.head_count_kv", "expert_feed_forward_length")
HIDDEN_VECTORS = {
    "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm_1", "pre_ffw_norm_2", "post_ffw_norm_2",
    "post_ffw_norm", "self_cond_pre_norm",
}  # fmt: skip


def widen_metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that change: values are those of the narrow model."""
    keys = [f"{ARCHITECTURE}.{name}" for name in DOUBLED_COUNTS]
    return {k: [2 * x for x in values[k]] if isinstance(values[k], list) else 2 * values[k] for k in keys}


def widen_tensors(tensors: Iterable[Tensor]) -> list[Tensor]:
    """All tensors of the wide model, in float32."""
    widened = []
    for tensor in tensors:
        values = np.ascontiguousarray(widen(tensor.name, tensor.to_float32()), np.float32)
        widened.append(Tensor(tensor.name, "F32", values.shape, values))
    return widened


def widen(name: str, values: np.ndarray) -> np.ndarray:
    """One tensor of the wide model from that of the narrow one."""
    stem, _, kind = name.removeprefix("blk.").lstrip("0123456789.").rpartition(".")
    if stem == "ffn_gate_inp":
        return math.sqrt(2) * twice(values) if kind == "scale" else read_twice(values)
    if stem == "token_embd":
        return twice(values) / math.sqrt(2)
    if stem == "output_norm":
        return twice(values) / math.sqrt(2)
    if stem in HIDDEN_VECTORS:
        return twice(values)
    if stem in ("attn_q", "attn_k", "attn_v", "attn_output") or name.endswith("ffn_down_exps.weight"):
        return write_twice(read_twice(values))
    if stem in ("ffn_gate", "ffn_up", "self_cond_gate", "self_cond_up"):
        return read_twice(values)
    if stem in ("ffn_down", "self_cond_down"):
        return write_twice(values)
    if stem == "ffn_gate_up_exps":  # gate rows, then up rows
        gate, up = np.split(read_twice(values), 2, axis=-2)
        return np.concatenate([gate, gate, up, up], axis=-2)
    return values  # per head, per expert, per layer


def twice(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values], axis=-1)


def read_twice(matrix: np.ndarray) -> np.ndarray:
    return twice(matrix / 2)


def write_twice(matrix: np.ndarray) -> np.ndarray:
    return np.concatenate([matrix, matrix], axis=-2)
