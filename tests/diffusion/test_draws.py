"""The random draws: the generator of the paper, the layout that gives a seed its meaning, and the distributions."""

import numpy as np
import pytest

from gesso import _ops
from reference import philox

DRAWS = {_ops.Draw.INITIAL_CANVAS: 0, _ops.Draw.RENOISE: 1, _ops.Draw.SAMPLE: 2}
SEEDS = [0, 1, 2**32 - 1, 2**32, 0xA4093822299F31D0, 2**64 - 1]
POSITIONS = [0, 1, 255, 262143, 2**31, 2**32, 2**32 + 5, 2**40]
# The known answers of Random123, the library of the paper's authors: counter, key, words.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text):
    return [int(word, 16) for word in text.split()]


def chi_square(observed, expected):
    return np.sum((observed - expected) ** 2 / expected)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_known_answers(counter, key, expected):
    low, high = words(key)
    assert list(_ops.philox(words(counter), high << 32 | low)) == words(expected)
    assert philox.philox(words(counter), [low, high]).tolist() == words(expected)


def test_same_generator_as_the_reference():
    rng = np.random.default_rng(0)
    counters = rng.integers(0, 2**32, (100, 4))
    keys = rng.integers(0, 2**32, (100, 2))
    expected = philox.philox(counters, keys)
    for counter, (low, high), four in zip(counters.tolist(), keys.tolist(), expected.tolist(), strict=True):
        assert list(_ops.philox(counter, high << 32 | low)) == four


@pytest.mark.parametrize("seed", SEEDS)
def test_uniform_ids(seed):
    for draw, number in DRAWS.items():
        for step in (0, 47):
            for vocab_size in (1, 2, 37, 262144, 2**31 - 1):
                expected = [philox.uniform_id(seed, p, step, number, vocab_size) for p in POSITIONS]
                got = _ops.uniform_ids(seed, POSITIONS, step, draw, vocab_size)
                assert got.dtype == np.int32 and got.tolist() == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_gumbel(seed):
    for position in POSITIONS:
        got = _ops.gumbel(seed, position, 7, 1001)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, philox.gumbel(seed, position, 7, 1001), rtol=1e-5, atol=1e-6)


def test_a_draw_belongs_to_its_token():
    """A larger vocabulary does not change the draws of the tokens before."""
    whole = _ops.gumbel(3, 4, 5, 64)
    for vocab_size in range(64):
        np.testing.assert_array_equal(_ops.gumbel(3, 4, 5, vocab_size), whole[:vocab_size])


def test_every_part_of_the_key_counts():
    rows = [
        _ops.gumbel(seed, position, step, 8).tolist()
        for seed in (0, 1, 2**32)
        for position in (0, 1, 2**32)
        for step in (0, 1)
    ]
    flat = [noise for row in rows for noise in row]
    assert len(set(flat)) == len(flat)
    ids = [tuple(_ops.uniform_ids(0, range(20), 0, draw, 1000).tolist()) for draw in DRAWS]
    assert len(set(ids)) == 3


# Chance exceeds each threshold below once in 1000. The seeds are fixed.


@pytest.mark.parametrize("draw", [_ops.Draw.INITIAL_CANVAS, _ops.Draw.RENOISE])
def test_ids_are_uniform(draw):
    ids = _ops.uniform_ids(7, range(100_000), 3, draw, 50)
    assert chi_square(np.bincount(ids, minlength=50), 2000) < 85.4  # 49 degrees of freedom
    pairs = 10 * (ids[:-1] % 10) + ids[1:] % 10  # of neighbouring positions
    assert chi_square(np.bincount(pairs, minlength=100), len(pairs) / 100) < 148.2  # 99 degrees of freedom


def test_ids_reach_both_ends():
    ids = _ops.uniform_ids(1, range(50_000), 0, _ops.Draw.RENOISE, 1000)
    assert (ids.min(), ids.max()) == (0, 999)


def test_gumbel_distribution():
    """e^-g is exponentially distributed. It is compared in 20 parts of equal probability."""
    noise = _ops.gumbel(9, 0, 0, 100_000).astype(np.float64)
    uniform = np.exp(-np.exp(-noise))
    assert chi_square(np.histogram(uniform, 20, (0, 1))[0], 5000) < 43.8  # 19 degrees of freedom
    pairs = np.histogram2d(uniform[:-1], uniform[1:], 5, [(0, 1), (0, 1)])[0]
    assert chi_square(pairs, (len(noise) - 1) / 25) < 51.2  # 24 degrees of freedom
