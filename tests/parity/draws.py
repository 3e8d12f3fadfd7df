"""The draws of gesso for whole canvases, made with the generator of tests/reference/philox.py."""

from __future__ import annotations

import numpy as np

from reference import philox

INITIAL_CANVAS, RENOISE, SAMPLE = philox.INITIAL_CANVAS, philox.RENOISE, philox.SAMPLE


def _words(seed: int, first_position: int, count: int, step: int, purpose: int, num_groups: int) -> np.ndarray:
    """uint32 [count, 4 * num_groups]: for each position the words of its groups 0 to num_groups - 1."""
    positions = (first_position + np.arange(count, dtype=np.uint64))[:, None]
    low, high = positions & np.uint64(0xFFFFFFFF), np.uint64(purpose << 16) | positions >> np.uint64(32)
    counter = np.broadcast_arrays(np.arange(num_groups, dtype=np.uint64), low, np.uint64(step), high)
    key = [seed % 2**64 & 0xFFFFFFFF, seed % 2**64 >> 32]
    return philox.philox(np.stack(counter, axis=-1), key).reshape(count, 4 * num_groups)


def uniform_ids(seed: int, first_position: int, count: int, step: int, purpose: int, vocab_size: int) -> np.ndarray:
    """int64 [count]: uniform ids below vocab_size, made by a multiplication and a shift."""
    first_words = _words(seed, first_position, count, step, purpose, 1)[:, 0]
    return (first_words.astype(np.uint64) * np.uint64(vocab_size) >> np.uint64(32)).astype(np.int64)


def gumbel(seed: int, first_position: int, count: int, step: int, vocab_size: int) -> np.ndarray:
    """float64 [count, vocab_size]: -ln(-ln u), where u is the middle of one of 2^24 equal parts of (0, 1)."""
    words = _words(seed, first_position, count, step, SAMPLE, -(-vocab_size // 4))[:, :vocab_size]
    return -np.log(-np.log(((words >> np.uint32(8)) + 0.5) * 2.0**-24))
