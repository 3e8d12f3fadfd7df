"""Presets decide which type each tensor of a file gets. Their names and rules are llama.cpp's.

The source of the rules is llama.cpp's src/llama-quant.cpp of August 2026. It has no rule for NVFP4, so that preset is
gesso's own: matrices get NVFP4 where their rows fit it, and the embedding gets the type that other presets give it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gesso._native import ArgumentError
from gesso.files.tensor import FLOAT_TYPES, stored_bytes, tensor_types


def stays_float32(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a GGUF file stores this tensor in F32 with every preset, as it does vectors, norms and the router."""
    return len(shape) < 2 or "norm" in name or name.endswith("ffn_gate_inp.weight")


class Named(Protocol):
    """What the rules look at: a tensor, or only its name and shape."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Preset:
    file_type: int  # general.file_type in a GGUF file, from llama.cpp's enum llama_ftype
    base: str  # the type of a matrix for which no rule gives another one


PRESETS = {
    "F32": Preset(0, "F32"),
    "F16": Preset(1, "F16"),
    "BF16": Preset(32, "BF16"),
    "Q8_0": Preset(7, "Q8_0"),
    "Q6_K": Preset(18, "Q6_K"),
    "Q5_K_M": Preset(17, "Q5_K"),
    "Q4_K_M": Preset(15, "Q4_K"),
    "Q4_0": Preset(2, "Q4_0"),
    "IQ4_XS": Preset(30, "IQ4_XS"),
    "NVFP4": Preset(39, "NVFP4"),
}
# A matrix whose rows are not a whole number of blocks gets the substitute. If its rows do not fit the substitute's
# blocks either, it gets F16. For example a row of 704 elements does not fit Q4_K's blocks of 256, but Q5_0's of 32.
SUBSTITUTES = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "IQ4_XS": "IQ4_NL", "NVFP4": "Q4_0"}


@dataclass(frozen=True)
class _Model:
    """The facts about a model that the rules depend on."""

    num_layers: int
    num_experts: int
    heads_per_kv_head: int  # of the first layer
    attn_v: list[int]  # the numbers of the layers that have an attn_v
    has_output: bool  # whether the head is a tensor of its own and not the embedding
    has_importance: bool

    @classmethod
    def of(cls, tensors: Iterable[Named], num_layers: int, has_importance: bool) -> _Model:
        rows = {tensor.name: tensor.shape[0] for tensor in tensors}
        layers = [int(match[1]) for name in rows if (match := re.fullmatch(r"blk\.(\d+)\.attn_v\.weight", name))]
        return cls(
            num_layers,
            rows.get("blk.0.ffn_gate_inp.weight", 1),
            rows.get("blk.0.attn_q.weight", 1) // rows.get("blk.0.attn_k.weight", 1),
            sorted(layers),
            "output.weight" in rows,
            has_importance,
        )


def _deserves_more_bits(index: int, count: int) -> bool:
    """Whether a layer gets more bits: those in the first and last eighth do, and every third layer in between."""
    return index < count // 8 or index >= 7 * count // 8 or (index - count // 8) % 3 == 2


def _embedding_type(base: str, columns: int) -> str:
    if base == "Q8_0" or columns % tensor_types()[base].block_elements:
        return "Q8_0"
    return "Q6_K"


def _attention_type(preset: str, part: str, layer: int, model: _Model) -> str:
    """Returns the type of attn_q, attn_k, attn_v or attn_output, named by `part`."""
    dtype = PRESETS[preset].base
    if part == "attn_v":
        if preset == "IQ4_XS" and model.heads_per_kv_head >= 4:
            dtype = "Q5_K"
        more_bits = _deserves_more_bits(model.attn_v.index(layer), len(model.attn_v))
        if preset in ("Q4_K_M", "Q5_K_M") and more_bits:
            dtype = "Q6_K"
    if model.num_experts == 8:  # llama.cpp's rule for models such as Mixtral: attention is a small part of the file
        if part in ("attn_v", "attn_k"):
            dtype = "Q8_0"
        elif part == "attn_output" and preset in ("Q4_K_M", "IQ4_XS"):
            dtype = "Q5_K"
    return dtype


def _ffn_down_type(preset: str, layer: int, model: _Model) -> str:
    """Returns the type of ffn_down or ffn_down_exps."""
    is_first = layer < model.num_layers // 8
    if preset in ("Q4_K_M", "Q5_K_M") and _deserves_more_bits(layer, model.num_layers):
        return "Q6_K"
    if preset == "IQ4_XS" and is_first and not model.has_importance:
        return "Q5_K"
    if preset == "Q4_0" and is_first and model.has_importance:
        return "Q4_1"
    return PRESETS[preset].base


def _wanted_type(preset: str, tensor: Named, model: _Model) -> str:
    """Returns the type that the rules give a matrix. Its rows may not fit this type."""
    base = PRESETS[preset].base
    if base in FLOAT_TYPES:
        return base
    if tensor.name == "output.weight" or (
        tensor.name == "token_embd.weight" and (base == "NVFP4" or not model.has_output)
    ):
        return _embedding_type(base, tensor.shape[-1])
    match = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", tensor.name)
    if match and match[2].startswith("attn_"):
        return _attention_type(preset, match[2], int(match[1]), model)
    if match and match[2].startswith("ffn_down"):
        return _ffn_down_type(preset, int(match[1]), model)
    return base


def _fitting_type(dtype: str, columns: int) -> str:
    """Returns the type if a row of `columns` elements fits its blocks; else the substitute, else F16."""
    for candidate in (dtype, SUBSTITUTES.get(dtype, dtype)):
        if columns % tensor_types()[candidate].block_elements == 0:
            return candidate
    return "F16"


def _matching(pattern: str, dtype: str, matrices: Mapping[str, Named]) -> list[str]:
    """Returns the names that an override applies to. ArgumentError if it matches nothing or cannot be applied."""
    what = f"{pattern}={dtype}"
    if dtype not in tensor_types() or not tensor_types()[dtype].can_write:
        known = ", ".join(name for name, entry in tensor_types().items() if entry.can_write)
        raise ArgumentError(f"{what}: expected a type that gesso can write: {known}")
    try:
        names = [name for name in matrices if re.search(pattern, name)]
    except re.error as error:
        raise ArgumentError(f"{what}: not a regular expression: {error}") from None
    if not names:
        raise ArgumentError(f"{what}: matches no matrix (vectors, norms and the router are always F32)")
    for name in names:
        try:
            stored_bytes(dtype, matrices[name].shape)
        except ValueError as error:
            raise ArgumentError(f"{what}: {name}: {error}") from None
        if dtype == "NVFP4" and name == "token_embd.weight":
            raise ArgumentError(f"{what}: {name}: NVFP4 needs a scale, and the embedding cannot have one")
    return names


def plan_types(
    preset: str,
    tensors: Sequence[Named],
    *,
    num_layers: int,
    has_importance: bool = False,
    overrides: Iterable[tuple[str, str]] = (),
) -> dict[str, str]:
    """Maps the name of each tensor to its type. Vectors, norms and the router always get F32.

    tensors: objects with a `name` and a `shape`.
    overrides: pairs (regular expression, type). A matrix in whose name the expression is found gets this type; the last
    pair that matches counts. Raises ArgumentError for a pair that matches nothing or whose type cannot hold the rows of
    a matrix that it matches.
    """
    if preset not in PRESETS:
        raise ArgumentError(f"unknown preset {preset!r}; known: {', '.join(PRESETS)}")
    model = _Model.of(tensors, num_layers, has_importance)
    matrices = {tensor.name: tensor for tensor in tensors if not stays_float32(tensor.name, tensor.shape)}
    plan = {tensor.name: "F32" for tensor in tensors}
    for name, tensor in matrices.items():
        plan[name] = _fitting_type(_wanted_type(preset, tensor, model), tensor.shape[-1])
    for pattern, dtype in overrides:
        plan |= dict.fromkeys(_matching(pattern, dtype, matrices), dtype)
    return plan
