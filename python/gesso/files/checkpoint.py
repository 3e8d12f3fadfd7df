"""Native checkpoints put together from metadata and tensors, as a folder or a random model has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gesso import _native
from gesso.files.tensor import Tensor

ARCHITECTURE = "diffusion-gemma"  # GGUF's general.architecture, and what its keys begin with


def outline(metadata: Mapping[str, Any], tensors: Sequence[Tensor]) -> _native.Checkpoint:
    """Metadata and tensors with zeros for all values, which take no memory.

    Enough to tell whether the tensors fit the configuration.
    """
    largest = max((tensor.num_bytes for tensor in tensors), default=0)
    zeros = np.zeros(largest, np.uint8)  # never written to, and therefore only promised by the system
    return fill_checkpoint(metadata, tensors, lambda tensor: zeros[: tensor.num_bytes])


def fill_checkpoint(
    metadata: Mapping[str, Any], tensors: Iterable[Tensor], values: Callable[[Tensor], np.ndarray]
) -> _native.Checkpoint:
    """Metadata and tensors with what `values` returns for each, which the checkpoint keeps alive."""
    checkpoint = _native.Checkpoint()
    for key, value in metadata.items():
        checkpoint.set(key, value)
    for tensor in tensors:
        data = values(tensor)
        checkpoint.add_tensor(tensor.name, tensor.dtype, tensor.shape, data.reshape(-1).view(np.uint8), data)
    return checkpoint


def count_types(tensors: Iterable[_native.TensorInfo]) -> dict[str, dict[str, int]]:
    """Count, elements and bytes for each type, the largest first."""
    types: dict[str, dict[str, int]] = {}
    for tensor in tensors:
        entry = types.setdefault(tensor.type, {"count": 0, "elements": 0, "bytes": 0})
        entry["count"] += 1
        entry["elements"] += math.prod(tensor.shape)
        entry["bytes"] += tensor.num_bytes
    return dict(sorted(types.items(), key=lambda item: -item[1]["bytes"]))
