"""Stacks experts that a folder stores one by one, uncompressed, as `experts.0.gate_proj.weight` and so on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import partial

import numpy as np

from gesso._native import FormatError
from gesso.files.hf.shards import StoredTensor
from gesso.files.tensor import FLOAT_TYPES, Array, Tensor

EXPERT = re.compile(r"model\.decoder\.layers\.(\d+)\.experts\.(0|[1-9]\d*)\.(gate|up|down)_proj")
PROJECTIONS = ("gate", "up", "down")


def check_complete(experts: str, projection: str, numbers: Collection[int], num_experts: int) -> None:
    """Raises FormatError unless there are experts 0 to num_experts - 1 and no others."""
    missing = next((expert for expert in range(num_experts) if expert not in numbers), None)
    if missing is not None or len(numbers) > num_experts:
        wrong = f"missing: {missing}" if missing is not None else f"unexpected: {max(numbers)}"
        raise FormatError(f"{experts}.*.{projection}_proj: expected experts 0 to {num_experts - 1}, {wrong}")


def split_experts(
    plain: dict[str, StoredTensor],
) -> tuple[dict[str, StoredTensor], dict[str, dict[str, dict[int, StoredTensor]]]]:
    """Separates experts that are stored one by one from all other tensors.

    Returns the others by name, and the experts by layer, projection and number.
    """
    others: dict[str, StoredTensor] = {}
    experts: dict[str, dict[str, dict[int, StoredTensor]]] = {}
    for name, tensor in plain.items():
        match = EXPERT.fullmatch(name.removesuffix(".weight"))
        if match is None:
            others[name] = tensor
            continue
        projections = experts.setdefault(match[1], {projection: {} for projection in PROJECTIONS})
        projections[match[3]][int(match[2])] = tensor
    return others, experts


def stacked_experts(experts: dict[str, dict[str, dict[int, StoredTensor]]], num_experts: int) -> Iterator[Tensor]:
    """Yields `ffn_gate_up_exps`, [E, 2M, D] with the gate's rows first, and `ffn_down_exps`, [E, D, M]."""
    for layer, projections in experts.items():
        prefix = f"model.decoder.layers.{layer}.experts"
        for projection, tensors in projections.items():
            check_complete(prefix, projection, tensors, num_experts)
            for tensor in tensors.values():
                _check_like(tensor, projections["gate" if projection == "up" else projection][0])
        gate, up, down = ([projections[name][i] for i in range(num_experts)] for name in PROJECTIONS)
        fused = [tensor for pair in zip(gate, up, strict=True) for tensor in pair]
        rows, columns = gate[0].shape
        for name, parts, shape in (
            ("gate_up", fused, (num_experts, 2 * rows, columns)),
            ("down", down, (num_experts, *down[0].shape)),
        ):
            dtype = parts[0].dtype
            yield Tensor(f"blk.{layer}.ffn_{name}_exps.weight", dtype, shape, partial(_stack, parts, shape), prefix)


def _check_like(tensor: StoredTensor, first: StoredTensor) -> None:
    if tensor.dtype not in FLOAT_TYPES or len(tensor.shape) != 2:
        raise tensor.error("F32, F16 or BF16 [out, in]")
    if (tensor.dtype, tensor.shape) != (first.dtype, first.shape):
        raise tensor.error(f"the type and shape of the other experts, {first.dtype} {list(first.shape)}")


def _stack(parts: list[StoredTensor], shape: tuple[int, ...]) -> Array:
    """Stacks the rows of all parts. Only one part's pages of the mapped files are in memory at a time."""
    out: Array = np.empty((len(parts), *parts[0].shape), FLOAT_TYPES[parts[0].dtype])
    for i, part in enumerate(parts):
        out[i] = part.values
        part.release()
    return out.reshape(shape)
