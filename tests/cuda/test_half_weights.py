"""Weights of experts on sm_90, which become f16: each row of weights is multiplied by a power of two, which is found
while the row is read. So rows whose scales are zero, tiny, huge, very different or not finite."""

import numpy as np
import pytest

from gesso import _ops
from reference.stored import HALF_SCALES, SIZES, random_blocks, values_of, vector
from reference.tolerance import assert_same_bits

pytestmark = pytest.mark.usefixtures("on_hopper")
HALVES = ["Q5_0", "Q8_0", "Q4_K", "Q6_K"]  # formats with scales of half precision
COLUMNS = 1280  # five blocks of 256, so that spans of 128 and of 256 columns do not end alike
ROWS = 40  # of weights, in a tile of 128
SMALLEST, LARGEST = 2.0**-24, 2.0**9  # a scale as small as can be, and one that float32 has room to multiply


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def with_scales(name, scales, seed=9):
    """A matrix [rows, COLUMNS] of random codes. scales [rows, groups]: of its blocks, each for as many columns."""
    elements, size = SIZES[name]
    rows, groups = scales.shape
    blocks = random_blocks(np.random.default_rng(seed), name, rows * COLUMNS // elements).reshape(rows, -1, size)
    of_blocks = np.repeat(scales, blocks.shape[1] // groups, axis=1).astype(np.float16)
    for offset in HALF_SCALES[name]:
        blocks[:, :, offset : offset + 2] = of_blocks[..., None].view(np.uint8)
    if name == "NVFP4":  # E4M3 of about the same size, without a sign; the smallest are subnormal
        exponents = np.log2(of_blocks.astype(np.float32)).astype(int) + 7
        blocks[:, :, :4] = np.clip(exponents * 8, 1, 0x7E)[..., None]
    return (name, [1, rows, COLUMNS], blocks.reshape(-1))


def multiply(x, weight):
    """The rows of x times the matrix of one expert."""
    routing = _ops.route(np.zeros((len(x), 1), np.float32), vector(np.ones(1)), 1)
    return _ops.expert_linear(x, weight, routing, by_slot=False)[routing.slot_of_pair[:, 0]]


def errors(x, weight, got):
    """The worst error of each row of weights, divided by the sum of what is added."""
    x, w = x.astype(np.float64), values_of(weight)[0].astype(np.float64)
    size = np.abs(x) @ np.abs(w).T
    return (np.abs(got - x @ w.T) / np.maximum(size, 2.0**-40)).max(axis=0)


def powers(*exponents):
    """Scales of five groups of columns."""
    return 2.0 ** np.array(exponents, np.float64)


# The scales of a row, in five groups.
KINDS = {
    "even": powers(-7, -7, -7, -7, -7),
    "grows by 2^20": powers(-22, -22, -2, -2, -2),
    "grows all along": powers(-20, -14, -8, -2, 4),
    "grows at the end": powers(-20, -20, -20, -20, 8),
    "falls by 2^20": powers(0, 0, 0, -20, -20),
    "tiny": np.full(5, SMALLEST),
    "huge": np.full(5, LARGEST),
    "begins with zeros": np.array([0, 0, 0, SMALLEST, 2.0**-3]),
    "zeros between": np.array([2.0**-6, 0, 0, 2.0**-8, 0]),
    "zeros": np.zeros(5),
}


@pytest.mark.parametrize("name", [*HALVES, "NVFP4"])
def test_rows_of_any_size(name):
    """Rows of all kinds share a warp. Narrow tiles and wide ones give the same bits."""
    kinds = [kind for kind in KINDS.values() if name != "NVFP4" or np.all(kind > 0)]
    scales = np.array([kinds[i % len(kinds)] for i in range(ROWS)])
    x, weight = draw(30, COLUMNS), with_scales(name, scales)
    got = multiply(x, weight)
    assert errors(x, weight, got).max() < 2.0**-13
    assert not got[:, (scales == 0).all(axis=1)].any()
    assert_same_bits(multiply(x[:5], weight), got[:5])


def test_minimums_without_scales():
    """Q4_K: all weights of a unit are its minimum."""
    weight = with_scales("Q4_K", np.array([KINDS["grows all along"], KINDS["tiny"], KINDS["huge"]]))
    blocks = weight[2].reshape(-1, SIZES["Q4_K"][1])
    blocks[:, :2] = 0  # d
    x = draw(3, COLUMNS)
    got = multiply(x, weight)
    assert got.any(axis=0).all() and errors(x, weight, got).max() < 2.0**-13


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite(name, value):
    """A scale somewhere in a row is not finite. Rows beside it keep their bits, also where they grow."""
    scales = np.array([list(KINDS.values())[i % 4] for i in range(ROWS)])
    x = draw(4, COLUMNS)
    expected = multiply(x, with_scales(name, scales))
    rows, groups = [2, 3, 21, 33], [0, 1, 4, 2]
    scales[rows, groups] = value
    got = multiply(x, with_scales(name, scales))
    assert not np.isfinite(got[:, rows]).any()
    assert_same_bits(np.delete(got, rows, axis=1), np.delete(expected, rows, axis=1))


@pytest.mark.parametrize("name", [*HALVES, "NVFP4"])
def test_a_row_does_not_depend_on_its_neighbours(name):
    kinds = [kind for kind in KINDS.values() if name != "NVFP4" or np.all(kind > 0)]
    x, weight = draw(3, COLUMNS), with_scales(name, np.array(kinds))
    together = multiply(x, weight)
    for i, row in enumerate(weight[2].reshape(len(kinds), -1)):
        alone = multiply(x, (name, [1, 1, COLUMNS], row.copy()))
        assert_same_bits(alone[:, 0], together[:, i])
