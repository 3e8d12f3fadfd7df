"""Collects importance: how much each input column of a weight is used while a model reads a text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gesso import _native
from gesso.model import Model, Session


def collect(
    model: Model,
    ids: list[int],
    *,
    context: int = 1024,
    num_steps: int = 3,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[_native.WeightImportance]:
    """Runs a text through the model as generation would, canvas by canvas, and sums up what its weights multiply.

    Each canvas of the text is first denoised: from noise alone, then with ever fewer random tokens in it, each of the
    `num_steps` passes self-conditioned by the one before; then it is encoded, as what follows would see it. A canvas
    that would not fit into `context` tokens, or the model's own context, starts a new sequence.
    `on_progress(canvases done, canvases)`.
    """
    length, vocab_size = model.config.canvas_length, model.config.vocab_size
    canvases = [ids[first : first + length] for first in range(0, len(ids) - length + 1, length)]
    if not canvases:
        raise _native.ArgumentError(f"text: expected at least one canvas of {length} tokens, got {len(ids)}")
    placeholders = sorted({*model.config.placeholder_token_ids}.intersection(ids))
    if placeholders:  # known before hours of work
        raise _native.ArgumentError(f"text: token {placeholders[0]} stands for an image, audio or video")
    context = min(context, model.config.max_position_embeddings)
    rng = np.random.default_rng(seed)
    session = model.session()
    session.collect_importance()
    bos = model.config.bos_token_id
    for index, canvas in enumerate(canvases):
        if session.length == 0 or session.length + length > context:
            session.rewind(0)
            session.encode([bos])
        _denoise(session, np.array(canvas), rng.integers(0, vocab_size, length), rng.random(length), num_steps)
        session.encode(canvas)
        if on_progress:
            on_progress(index + 1, len(canvases))
    return session.importance


def _denoise(session: Session, canvas: np.ndarray, noise: np.ndarray, order: np.ndarray, num_steps: int) -> None:
    """Passes over `canvas` in which the positions with `order` above step / num_steps are noise."""
    defaults = session.model.config
    processed = None
    for step in range(num_steps):
        noisy = np.where(order >= step / num_steps, noise, canvas)
        logits = session.denoise(noisy, processed)
        remaining = 1 - step / num_steps
        processed = np.divide(logits, defaults.t_min + (defaults.t_max - defaults.t_min) * remaining, out=logits)
