"""Makes a model of twice the width that computes the same function, so that narrow rows fit blocks of 256.

Every hidden value h is stored twice, as [h, h]. So are the heads and the units of the experts. These changes keep the
function the same:

    matrices that read doubled values   columns halved and doubled: [W / 2, W / 2]
    matrices that write doubled values  rows doubled
    weights of norms                    doubled; [h, h] has the same mean of squares as h, so the norm is the same
    token_embd                          doubled / sqrt(2), because it is multiplied by sqrt(hidden_size)
    output_norm                         / sqrt(2) as well, because the head sums over twice as many columns
    ffn_gate_inp.scale                  * sqrt(2), because it is multiplied by 1 / sqrt(hidden_size)

intermediate_size does not change: in the models that this is for, ffn_down and self_cond_down have no narrow rows.
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
    """The metadata keys that change. `values` are those of the narrow model."""
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
    """One tensor of the wide model, made from that of the narrow model."""
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
    if stem == "ffn_gate_up_exps":  # the rows of gate, then those of up
        gate, up = np.split(read_twice(values), 2, axis=-2)
        return np.concatenate([gate, gate, up, up], axis=-2)
    return values  # one value per head, expert or layer


def twice(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values], axis=-1)


def read_twice(matrix: np.ndarray) -> np.ndarray:
    return twice(matrix / 2)


def write_twice(matrix: np.ndarray) -> np.ndarray:
    return np.concatenate([matrix, matrix], axis=-2)
