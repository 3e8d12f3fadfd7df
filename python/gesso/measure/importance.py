"""Collects importance: the sums of squares of what a weight's columns are multiplied with while a model runs a text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.files.callback import plain_callback
from gesso.model import Model
from gesso.session import Session


def collect(
    model: Model,
    ids: list[int],
    *,
    context: int = 1024,
    num_steps: int = 3,
    seed: int = 0,
    on_progress: Callable[[int, int], object] | None = None,
) -> list[_native.WeightImportance]:
    """Runs a text through the model, canvas by canvas as a generation does, and returns the importance of its weights.

    Each canvas of the text is first denoised in `num_steps` passes. The first pass sees random tokens only. Each later
    pass sees fewer random tokens and more of the text, and is self-conditioned by the pass before. Then the canvas is
    encoded. A new sequence begins when the next canvas would not fit into `context` tokens or into the model's context.
    on_progress(canvases_done, canvases_in_all) is called after each canvas.
    """
    on_progress = plain_callback("on_progress", on_progress)
    length, vocab_size = model.config.canvas_length, model.config.vocab_size
    canvases = [ids[first : first + length] for first in range(0, len(ids) - length + 1, length)]
    if not canvases:
        raise _native.ArgumentError(f"text: expected at least one canvas of {length} tokens, got {len(ids)}")
    placeholders = sorted({*model.config.placeholder_token_ids}.intersection(ids))
    if placeholders:  # the model refuses them too, but perhaps only after hours of work
        raise _native.ArgumentError(f"text: token {placeholders[0]} stands for an image, audio or video")
    context = min(context, model.config.max_position_embeddings)
    rng = np.random.default_rng(seed)
    session = model.session()
    session.collect_importance()
    bos = model.config.bos_token_id
    num_tokens = 0  # of the sequence so far
    for index, canvas in enumerate(canvases):
        if num_tokens == 0 or num_tokens + length > context:
            session.rewind(0)
            session.encode([bos])
            num_tokens = 1
        _denoise(session, np.array(canvas), rng.integers(0, vocab_size, length), rng.random(length), num_steps)
        session.encode(canvas)
        num_tokens += length
        if on_progress:
            on_progress(index + 1, len(canvases))
    return session.importance


def _denoise(
    session: Session,
    canvas: npt.NDArray[np.int64],
    noise: npt.NDArray[np.int64],
    order: npt.NDArray[np.float64],
    num_steps: int,
) -> None:
    """Denoises `canvas` in passes. In each, a position has its noise if its `order` is at least step / num_steps."""
    defaults = session.model.config
    processed: npt.NDArray[np.float32] | None = None
    for step in range(num_steps):
        noisy = np.where(order >= step / num_steps, noise, canvas)
        logits = session.denoise(noisy, processed)
        remaining = 1 - step / num_steps
        processed = np.divide(logits, defaults.t_min + (defaults.t_max - defaults.t_min) * remaining, out=logits)
