"""Finds the values of tensors that are NaN or infinite, and block scales that are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.files.gguf_writer import chunks
from gesso.files.tensor import Tensor, tensor_types

# Formats whose scales have codes for NaN that decode to finite values: the scale bytes of a block, which of their bits
# count, and the code. In all other formats a scale that is not finite makes values that are not.
SCALE_CODES = {"NVFP4": (slice(0, 4), 0x7F, 0x7F), "MXFP4": (slice(0, 1), 0xFF, 0xFF)}


@dataclass(frozen=True)
class BrokenTensor:
    """A tensor that has values or block scales that are not finite."""

    name: str
    type: str
    shape: tuple[int, ...]
    first: tuple[int, ...] | None  # the index of the first value that is not finite; None where only scales are broken
    num_nan: int
    num_infinite: int
    num_scales: int  # block scales that are NaN, but whose values gesso reads as finite


@dataclass(frozen=True)
class Findings:
    broken: list[BrokenTensor]
    unread: list[str]  # names of tensors whose type gesso cannot read


def find_not_finite(
    tensors: Sequence[Tensor], *, num_threads: int = 0, on_progress: Callable[[int, int, str], None] | None = None
) -> Findings:
    """Decodes all tensors, 32 MiB at a time, and returns those that have values or scales that are not finite.

    on_progress(done_bytes, total_bytes, name) is called after every chunk.
    """
    total, done = sum(tensor.num_bytes for tensor in tensors), 0
    found = Findings([], [])
    for tensor in tensors:
        if not tensor_types()[tensor.dtype].can_read:
            found.unread.append(tensor.name)
            done += tensor.num_bytes
            continue
        first, num_nan, num_infinite, num_scales, elements = -1, 0, 0, 0, 0
        for _, chunk in chunks(tensor, 1):
            count = _native.count_not_finite(tensor.dtype, chunk, num_threads)
            if first < 0 <= count.first:
                first = elements + count.first
            num_nan, num_infinite = num_nan + count.num_nan, num_infinite + count.num_infinite
            num_scales += _count_scales(tensor.dtype, chunk)
            entry = tensor_types()[tensor.dtype]
            elements += chunk.nbytes // entry.block_bytes * entry.block_elements
            done += chunk.nbytes
            if on_progress:
                on_progress(done, total, tensor.name)
        if first >= 0 or num_scales:
            index = tuple(int(i) for i in np.unravel_index(first, tensor.shape)) if first >= 0 else None
            found.broken.append(
                BrokenTensor(tensor.name, tensor.dtype, tensor.shape, index, num_nan, num_infinite, num_scales)
            )
    return found


def _count_scales(dtype: str, chunk: npt.NDArray[np.uint8]) -> int:
    if dtype not in SCALE_CODES:
        return 0
    places, bits, code = SCALE_CODES[dtype]
    blocks = chunk.reshape(-1, tensor_types()[dtype].block_bytes)
    return int(np.count_nonzero(blocks[:, places] & bits == code))
