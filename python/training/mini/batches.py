"""The batches of dialogues that training reads, as ids. A step's batch depends on (seed, step) only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from mini import tokenizer as mini_tokenizer
from mini.dialogue import Dialogue
from mini.generator import draw_dialogue
from mini.rendering import prompt_text, reply_text
from mini.rows import Layout


@dataclass
class Batch:
    """Dialogues as rows behind each other.

    text: the ids of prompts and replies, laid out by `text_layout`; `prompt_lengths` tokens of each are the prompt.
    canvas: the ids of the canvases, which are the replies and padding, laid out by `canvas_layout`.
    weights: of the canvas' tokens in the loss.
    """

    text: Tensor
    text_layout: Layout
    prompt_lengths: Tensor
    canvas: Tensor
    canvas_layout: Layout
    weights: Tensor


# Padding is easy to learn, and there is much of it. So it counts less.
PADDING_WEIGHT = 0.2
# A whole canvas is mostly padding. So most canvases of the training end soon after their reply.
WHOLE_SHARE, MAX_PADDING = 0.3, 12
CHUNK = 12  # sequences of similar length that attention pads together


def to_ids(tokenizer: Tokenizer, dialogue: Dialogue) -> tuple[list[int], list[int]]:
    """Returns the ids of the prompt and of the reply, which ends with an end token."""
    prompt = tokenizer.encode(prompt_text(dialogue), add_special_tokens=False).ids
    reply = tokenizer.encode(reply_text(dialogue), add_special_tokens=False).ids
    return prompt, reply


def make_batch(pairs: list[tuple[list[int], list[int]]], canvas_lengths: list[int]) -> Batch:
    """pairs: prompts and replies."""
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))  # for attention's chunks
    pairs, canvas_lengths = [pairs[i] for i in order], [canvas_lengths[i] for i in order]
    text, canvas, weights = [], [], []
    for (prompt, reply), length in zip(pairs, canvas_lengths, strict=True):
        text += prompt + reply
        num_padding = length - len(reply)
        canvas += reply + [mini_tokenizer.PAD] * num_padding
        weights += [1.0] * len(reply) + [PADDING_WEIGHT] * num_padding
    return Batch(
        text=torch.tensor(text),
        text_layout=Layout(torch.tensor([len(prompt) + len(reply) for prompt, reply in pairs]), CHUNK),
        prompt_lengths=torch.tensor([len(prompt) for prompt, _ in pairs]),
        canvas=torch.tensor(canvas),
        canvas_layout=Layout(torch.tensor(canvas_lengths), CHUNK),
        weights=torch.tensor(weights),
    )


class Batches:
    """parts_from: the steps where the second part of a training and those behind it begin, as far as they do."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        seed: int,
        size: int,
        canvas: int,
        *,
        held_out: bool = False,
        parts_from: Sequence[int] = (),
    ):
        self.tokenizer, self.seed, self.size, self.canvas, self.held_out = tokenizer, seed, size, canvas, held_out
        self.parts_from = parts_from

    def part(self, step: int) -> int:
        return 1 + sum(step >= first for first in self.parts_from)

    def batch(self, step: int) -> Batch:
        random = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        pairs = []
        part = self.part(step)
        for index in range(step * self.size, (step + 1) * self.size):
            _, dialogue = draw_dialogue(self.seed, index, held_out=self.held_out, part=part)
            pairs.append(to_ids(self.tokenizer, dialogue))
        whole = torch.rand(self.size, generator=random) < WHOLE_SHARE
        padding = torch.randint(1, MAX_PADDING + 1, (self.size,), generator=random)
        lengths = [
            self.canvas if whole[i] else min(self.canvas, len(reply) + int(padding[i]))
            for i, (_, reply) in enumerate(pairs)
        ]
        return make_batch(pairs, lengths)
