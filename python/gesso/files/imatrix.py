"""Importance matrices: how much each input column of a weight is used, for quantisers to weigh errors with.

Files have llama.cpp's GGUF form (tools/imatrix): for each weight NAME the float32 tensors `NAME.in_sum2` [experts,
columns], sums of squared activations, and `NAME.counts` [experts, 1], the rows that were summed. A plain matrix has one
"expert".
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gesso import _native
from gesso.gguf_writer import write_gguf
from gesso.model import Model, Session
from gesso.tensor import Tensor

SUMS, COUNTS = ".in_sum2", ".counts"


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


def write_imatrix(
    path: str | os.PathLike[str], entries: list[_native.WeightImportance], metadata: dict[str, Any]
) -> None:
    """`metadata`: datasets (names of the texts), chunk_count and chunk_size (canvases, and their tokens)."""
    tensors = []
    for entry in entries:
        counts = entry.counts.astype(np.float32).reshape(-1, 1)
        tensors.append(Tensor(entry.name + SUMS, "F32", entry.sums.shape, entry.sums))
        tensors.append(Tensor(entry.name + COUNTS, "F32", counts.shape, counts))
    keys = {f"imatrix.{key}": value for key, value in metadata.items()}
    write_gguf(path, {"general.architecture": "imatrix", "general.type": "imatrix"} | keys, tensors)


def read_imatrix(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Weight name -> mean squared activations, float32 [columns], or [experts, columns] for a stack of experts.

    An expert that was never used has zeros, which quantisers take as "all columns alike". ValueError for anything that
    is no importance matrix.
    """
    path = Path(path)
    checkpoint = _native.Checkpoint.open(os.fsencode(path))
    kind = checkpoint.metadata.get("general.type")
    if kind != "imatrix":
        raise _native.FormatError(f"{path}: general.type: expected 'imatrix', got {kind!r}")
    tensors = {}
    for info in checkpoint.tensors:
        if info.type != "F32":
            raise _native.FormatError(f"{path}: {info.name}: expected type F32, got {info.type}")
        data = np.fromfile(path, np.float32, info.num_bytes // 4, offset=info.offset)
        tensors[info.name] = data.reshape(info.shape)
    names = [name.removesuffix(SUMS) for name in tensors if name.endswith(SUMS)]
    return {name: _mean(path, name, tensors) for name in names}


def _mean(path: Path, name: str, tensors: dict[str, np.ndarray]) -> np.ndarray:
    sums, counts = tensors[name + SUMS], tensors.get(name + COUNTS)
    if counts is None:
        raise _native.FormatError(f"{path}: {name}: missing {name}{COUNTS}")
    sums = sums.reshape(-1, sums.shape[-1])
    if counts.size not in (1, len(sums)):
        raise _native.FormatError(f"{path}: {name}{COUNTS}: expected {len(sums)} values, got {counts.size}")
    if not (np.isfinite(sums).all() and (sums >= 0).all() and np.isfinite(counts).all() and (counts >= 0).all()):
        raise _native.FormatError(f"{path}: {name}: expected finite values >= 0")
    mean = sums / np.maximum(counts.reshape(-1, 1), 1)
    return mean[0] if len(mean) == 1 else mean
