"""Philox4x32-10 after Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", and the draws made from its
words."""

import numpy as np

INITIAL_CANVAS, RENOISE, SAMPLE = 0, 1, 2


def philox(counter, key):
    """counter [..., 4] and key [..., 2] of uint32 -> [..., 4] uint32."""
    c = [np.asarray(word, np.uint64) for word in np.moveaxis(np.asarray(counter, np.uint64), -1, 0)]
    k = [np.asarray(word, np.uint64) for word in np.moveaxis(np.asarray(key, np.uint64), -1, 0)]
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> shift) ^ c[1] ^ k[0], b & low, (a >> shift) ^ c[3] ^ k[1], a & low]
        k = [(k[0] + np.uint64(0x9E3779B9)) & low, (k[1] + np.uint64(0xBB67AE85)) & low]
    return np.stack(np.broadcast_arrays(*c), axis=-1).astype(np.uint32)


def words(seed, position, step, draw, index):
    """The four words of each group `index` [...]. The layout of the counter must not change: it gives a seed its
    meaning."""
    index = np.asarray(index, np.uint64)
    fixed = [position & 0xFFFFFFFF, step & 0xFFFFFFFF, draw << 16 | position >> 32]
    counter = np.stack([index, *[np.full_like(index, word) for word in fixed]], axis=-1)
    return philox(counter, [seed & 0xFFFFFFFF, seed >> 32])


def uniform_id(seed, position, step, draw, vocab_size):
    return int(words(seed, position, step, draw, 0)[0]) * vocab_size >> 32


def gumbel(seed, position, step, vocab_size):
    """float64 [V]: -ln(-ln u), where u is the middle of one of 2^24 equal parts of (0, 1)."""
    groups = words(seed, position, step, SAMPLE, np.arange((vocab_size + 3) // 4)).reshape(-1)[:vocab_size]
    return -np.log(-np.log(((groups >> np.uint32(8)) + 0.5) / 2.0**24))
