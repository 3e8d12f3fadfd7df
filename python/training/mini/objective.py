"""The loss of a batch: the canvas from its noise, and, for the encoder, each token of the reply from those before it.

The canvas: each sequence has its own noise level t, from 0 to 1, and each of its tokens is replaced with probability t
by a random one. The loss is the cross-entropy over the whole canvas. Half of the steps have a first pass without
gradient, whose logits, divided by a random temperature of the sampler's range, condition the second one. The canvas of
the first pass has more noise, as the step before has in the sampler.

With `own_canvases`, the second pass of every second sequence sees the canvas that the sampler makes of the first pass:
the model's own draws, some of which are wrong, and random tokens elsewhere. From uniform noise alone a model learns
that a token which fits is right. So in the sampler it never takes back a draw like "3 + 8 = 83".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mini import fused
from mini.batches import Batch
from mini.model import Cache, Mini
from mini.rows import Layout

ENCODER_WEIGHT = 0.5
UNEVEN_WEIGHT = 0.01
CONDITIONED_SHARE = 0.5
T_MIN, T_MAX = 0.4, 0.8  # the sampler's temperatures
OWN_SHARE = 0.5
BOUND_MIN, BOUND_MAX = 0.01, 1.0  # entropy bounds, in nats; the sampler's is 0.1


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


def first_pass(
    model: Mini, batch: Batch, cache: Cache, noise: tuple[Tensor, Tensor], random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Returns the raw logits of a pass over canvases with more noise than t, [R, V], and the temperatures, [R, 1].

    noise: t and a draw, [R].
    """
    (t, level), layout = noise, batch.canvas_layout
    count, vocab = len(layout.lengths), model.sizes.vocab
    more = t + (1 - t) * 0.5 * torch.rand(count, generator=random)[layout.sequence]
    canvas = torch.where(level < more, torch.randint(vocab, t.shape, generator=random), batch.canvas)
    temperature = T_MIN + (T_MAX - T_MIN) * torch.rand(count, generator=random)[layout.sequence, None]
    with torch.no_grad():
        h, _ = model.denoise(canvas, layout, cache, None)
        return model.raw_logits(h), temperature


def sampled(raw_logits: Tensor, temperature: Tensor, layout: Layout, random: torch.Generator) -> Tensor:
    """Returns the canvases that the sampler makes of a pass, int64 [R], each sequence with an entropy bound of its own.

    raw_logits: float [R, V], before the soft cap. temperature: [R, 1].
    """
    logs = (fused.cap(raw_logits) / temperature).log_softmax(-1)
    shares = logs.exp()
    drawn = (shares / torch.empty_like(shares).exponential_(generator=random)).argmax(-1)
    entropy = -(shares * logs).sum(-1).double()
    # The rows of each sequence by rising entropy, and the sum of the entropies before each.
    order = entropy.argsort()
    order = order[layout.sequence[order].argsort(stable=True)]
    before = entropy[order].cumsum(0) - entropy[order]
    before -= before[layout.lengths.cumsum(0) - layout.lengths][layout.sequence]
    bound = BOUND_MIN * (BOUND_MAX / BOUND_MIN) ** torch.rand(len(layout.lengths), generator=random)
    accepted = torch.empty_like(order, dtype=torch.bool)
    accepted[order] = before <= bound[layout.sequence]
    return torch.where(accepted, drawn, torch.randint(logs.shape[1], drawn.shape, generator=random))


def losses(model: Mini, batch: Batch, seed: int, step: int, *, own_canvases: bool = False) -> Losses:
    random = torch.Generator().manual_seed(seed * 1_000_003 + step + 500_009)
    layout, vocab = batch.canvas_layout, model.sizes.vocab
    t = noise_levels(len(layout.lengths), random)[layout.sequence]
    level = torch.rand(len(batch.canvas), generator=random)
    canvas = torch.where(level < t, torch.randint(vocab, batch.canvas.shape, generator=random), batch.canvas)
    cache, encoded, uneven_encoder = model.encode(batch.text, batch.text_layout, batch.prompt_lengths)

    soft = None
    if torch.rand((), generator=random) < CONDITIONED_SHARE:
        raw_logits, temperature = first_pass(model, batch, cache, (t, level), random)
        with torch.no_grad():
            soft = model.soft_embeddings(raw_logits, temperature)
            if own_canvases:
                own = torch.rand(len(layout.lengths), generator=random) < OWN_SHARE
                canvas = torch.where(own[layout.sequence], sampled(raw_logits, temperature, layout, random), canvas)
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
