"""The loss of a batch: the canvas from its noise, and, for the encoder, each token of the reply from those before it.

The canvas: each sequence has its own noise level t, from 0 to 1, and each of its tokens is replaced with probability t
by a random one. The loss is the cross-entropy over the whole canvas. Half of the steps have a first pass without
gradient, whose logits, divided by a random temperature of the sampler's range, condition the second one. The canvas of
the first pass has more noise, as the step before has in the sampler.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mini import fused
from mini.batches import Batch
from mini.model import Cache, Mini

ENCODER_WEIGHT = 0.5
UNEVEN_WEIGHT = 0.01
CONDITIONED_SHARE = 0.5
T_MIN, T_MAX = 0.4, 0.8  # the sampler's temperatures


@dataclass
class Losses:
    """The parts of a loss. `total` has a gradient."""

    total: Tensor
    canvas: float
    encoder: float
    uneven: float


def noise_levels(count: int, random: torch.Generator) -> Tensor:
    """Returns t of each sequence: evenly spread over 0 to 1, in random order, so that batches differ less."""
    order = torch.randperm(count, generator=random)
    return (order + torch.rand(count, generator=random)) / count


def conditioning(
    model: Mini, batch: Batch, cache: Cache, noise: tuple[Tensor, Tensor], random: torch.Generator
) -> Tensor:
    """Returns the soft embeddings of a pass over canvases with more noise than t, [R, D]. noise: t and a draw, [R]."""
    (t, level), layout = noise, batch.canvas_layout
    count, vocab = len(layout.lengths), model.sizes.vocab
    more = t + (1 - t) * 0.5 * torch.rand(count, generator=random)[layout.sequence]
    canvas = torch.where(level < more, torch.randint(vocab, t.shape, generator=random), batch.canvas)
    temperature = T_MIN + (T_MAX - T_MIN) * torch.rand(count, generator=random)[layout.sequence, None]
    with torch.no_grad():
        h, _ = model.denoise(canvas, layout, cache, None)
        return model.soft_embeddings(model.raw_logits(h), temperature)


def losses(model: Mini, batch: Batch, seed: int, step: int) -> Losses:
    random = torch.Generator().manual_seed(seed * 1_000_003 + step + 500_009)
    layout, vocab = batch.canvas_layout, model.sizes.vocab
    t = noise_levels(len(layout.lengths), random)[layout.sequence]
    level = torch.rand(len(batch.canvas), generator=random)
    canvas = torch.where(level < t, torch.randint(vocab, batch.canvas.shape, generator=random), batch.canvas)
    cache, encoded, uneven_encoder = model.encode(batch.text, batch.text_layout, batch.prompt_lengths)

    soft = None
    if torch.rand((), generator=random) < CONDITIONED_SHARE:
        soft = conditioning(model, batch, cache, (t, level), random)
    h, uneven = model.denoise(canvas, layout, cache, soft)
    each = fused.capped_losses(model.raw_logits(h), batch.canvas)
    canvas_loss = (each * batch.weights).sum() / batch.weights.sum()

    # In the encoder, the row before each token of the reply predicts it.
    text_layout = batch.text_layout
    targets = (text_layout.positions >= batch.prompt_lengths[text_layout.sequence]).nonzero().squeeze(1)
    encoder_loss = fused.capped_losses(
        model.raw_logits(encoded.index_select(0, targets - 1)), batch.text[targets]
    ).mean()
    uneven_loss = (uneven + uneven_encoder) / 2
    total = canvas_loss + ENCODER_WEIGHT * encoder_loss + UNEVEN_WEIGHT * uneven_loss
    return Losses(total, canvas_loss.item(), encoder_loss.item(), uneven_loss.item())
