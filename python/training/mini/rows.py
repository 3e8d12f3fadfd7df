"""Sequences of different lengths as one matrix of rows, and as a padded batch for attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function


class Chunk:
    """Some sequences of a layout that attention pads together. rows: where they are in the layout."""

    def __init__(self, lengths: Tensor, first_row: int):
        self.num_sequences, self.longest = len(lengths), int(lengths.max())
        self.rows = slice(first_row, first_row + int(lengths.sum()))
        sequence, positions = _places(lengths)
        self.places = sequence * self.longest + positions  # of each row in the padded batch
        self.filled = torch.arange(self.longest) < lengths[:, None]  # [B, longest]

    def causal_masks(self, window: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Returns the masks of sliding and of full layers, both [T, T]."""
        place = torch.arange(self.longest)
        behind = place[:, None] - place[None, :]
        return hidden_where((behind < 0) | (behind >= window), dtype), hidden_where(behind < 0, dtype)


def hidden_where(hidden: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns what is added to attention's scores: 0, or where `hidden`, a number so low that nothing is seen."""
    return torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, -1e30)


class Layout:
    """Where the rows of each sequence are. lengths: int64 [B]; chunk: how many sequences attention pads together."""

    def __init__(self, lengths: Tensor, chunk: int):
        self.lengths = lengths
        self.sequence, self.positions = _places(lengths)  # of each row
        self.chunks, first_row = [], 0
        for part in lengths.split(chunk):
            self.chunks.append(Chunk(part, first_row))
            first_row = self.chunks[-1].rows.stop


def _places(lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Returns of each row its sequence and its position in it."""
    sequence = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    starts = lengths.cumsum(0) - lengths
    return sequence, torch.arange(len(sequence)) - starts[sequence]


class _Pad(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(places)
        return x.new_zeros(size, x.shape[1]).index_copy_(0, places, x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return grads[0].index_select(0, places), None, None


class _Unpad(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        ctx.size = len(x)
        return x.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return grads[0].new_zeros(ctx.size, grads[0].shape[1]).index_copy_(0, places, grads[0].contiguous()), None


def pad(x: Tensor, chunk: Chunk) -> Tensor:
    """The rows of a chunk, [R, H, K], as a padded batch [B, H, longest, K], with zeros behind the sequences."""
    padded: Tensor = _Pad.apply(x.flatten(1), chunk.places, chunk.num_sequences * chunk.longest)
    return padded.view(chunk.num_sequences, chunk.longest, *x.shape[1:]).transpose(1, 2)


def unpad(x: Tensor, chunk: Chunk) -> Tensor:
    """The inverse of `pad`, but with the heads of a row behind each other: [R, H * K]."""
    rows: Tensor = _Unpad.apply(x.transpose(1, 2).flatten(2).flatten(0, 1), chunk.places)
    return rows
