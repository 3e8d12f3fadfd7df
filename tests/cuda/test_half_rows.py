"""Rows of half precision for the experts of sm_90: f16 with a scale for each row. For some types of weights the even
columns of 16 come first."""

import numpy as np
import pytest

from gesso import _ops
from reference.stored import random_weight, vector
from reference.tolerance import assert_same_bits

pytestmark = pytest.mark.usefixtures("on_hopper")
PLAIN, EVENS_FIRST = np.arange(16), np.array([*range(0, 16, 2), *range(1, 16, 2)])  # orders of 16 columns


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def expected_rows(x, order=PLAIN):
    """The values of each row and behind them its scale, as _ops.half_rows returns them, for rows of finite numbers."""
    rows, columns = x.shape
    steps = -(-columns // 64)
    padded = np.zeros((rows, 64 * steps))
    padded[:, :columns] = x
    largest = np.abs(padded).max(-1, keepdims=True)
    exponents = np.frexp(largest)[1] - 1  # the largest value is 1 to 2 times this power of two
    scales = np.exp2(np.maximum(exponents - 13, -126) * (largest > 0) - 126.0 * (largest == 0))
    values = (padded / scales).astype(np.float16).reshape(rows, -1, 16)[..., order].reshape(rows, -1)
    return np.concatenate([values, scales], -1, dtype=np.float32)


@pytest.mark.parametrize("columns", [1, 3, 15, 16, 17, 63, 64, 65, 128, 704, 768, 769, 772, 2816])
def test_values_and_order(columns):
    """Columns behind the last one are zeros, up to whole steps of 64."""
    x = draw(9, columns) * np.exp(5 * draw(9, 1, seed=1))
    assert_same_bits(_ops.half_rows(x), expected_rows(x))
    assert_same_bits(_ops.half_rows(x, evens_first=True), expected_rows(x, EVENS_FIRST))


@pytest.mark.parametrize("exponent", [-149, -140, -127, -126, -114, -113, -112, -20, 0, 13, 100, 127])
def test_largest_values(exponent):
    """The smallest and the largest number with each exponent, also where that of a scale would be too small."""
    smallest = np.float32(2.0**exponent)
    x = draw(2, 40, seed=3).clip(-1, 1) * smallest
    x[:, 17] = smallest, -np.nextafter(2 * smallest, np.float32(0)) if exponent < 127 else np.finfo(np.float32).min
    got = _ops.half_rows(x)
    assert_same_bits(got, expected_rows(x))
    if exponent >= -113:
        assert np.abs(got[:, :-1]).max(-1).tolist() == [2.0**13, 2.0**14]


def test_values_of_bf16_stay_exact():
    """All 8 digits, as long as a value is at least 2^-30 of the largest one."""
    digits = np.random.default_rng(0).integers(128, 256, (4, 512)) * np.where(draw(4, 512) < 0, -1, 1)
    digits[:, 30] = 255
    x = np.ldexp(digits, np.arange(512) % 31 - 30).astype(np.float32)
    got = _ops.half_rows(x).astype(np.float64)
    assert np.array_equal(got[:, :-1] * got[:, -1:], x)


def test_rows_of_zeros():
    """Any scale that is a number serves them."""
    got = _ops.half_rows(np.array([[0.0, -0.0] * 40], np.float32))
    assert not got[:, :-1].any() and np.isfinite(got[:, -1]).all()


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite(bad):
    """Their scale is NaN, wherever the value stands, and their values are finite. Other rows know nothing of them."""
    x = draw(20, 704)
    clean = _ops.half_rows(x)
    for row, column in enumerate((0, 1, 17, 639, 703)):
        x[3 * row, column] = bad
    got = _ops.half_rows(x)
    is_bad = np.arange(20) % 3 == 0
    is_bad[15:] = False
    assert np.isnan(got[is_bad, -1]).all() and np.isfinite(got[is_bad, :-1]).all()
    assert_same_bits(got[~is_bad], clean[~is_bad])


def test_rows_alone_and_apart():
    """A row has the same bits alone, among others, and wherever it lies in memory."""
    wide = draw(19, 800) * np.exp(draw(19, 1, seed=1))
    expected = _ops.half_rows(wide[:, 8:712].copy())
    assert_same_bits(_ops.half_rows(wide[:, 8:712]), expected)
    wide[:, 9:713] = wide[:, 8:712].copy()
    assert_same_bits(_ops.half_rows(wide[:, 9:713]), expected)
    for row in (0, 7, 8, 18):
        assert_same_bits(_ops.half_rows(wide[row : row + 1, 9:713]), expected[row : row + 1])


def test_no_rows():
    assert _ops.half_rows(draw(0, 8)).shape == (0, 65)


def experts(columns):
    """A weight for which rows are rounded to half precision."""
    return ("Q8_0", [2, 1, columns], np.zeros(2 * 34 * columns // 32, np.uint8))


@pytest.mark.parametrize("columns", [32, 96, 2816, 4128])
def test_norms_round_alike(columns):
    """rms_norm and rms_norm_add make the same bits of a row as a packing kernel makes of its float32 values."""
    x, residual = draw(3, columns) * np.exp(draw(3, 1, seed=1)), draw(3, columns, seed=2)
    x[1, 5] = np.inf
    weight, half_weight = vector(draw(columns, seed=3)), vector(draw(columns, seed=4) * 1000)
    dense = random_weight(np.random.default_rng(5), "Q8_0", (7, columns))
    norms = [(half_weight, 0.3, [experts(columns)]), (weight, 1.0, [dense]), (weight, 0.7, 2 * [experts(columns)])]
    normed = {scale: _ops.half_rows(_ops.rms_norm(x, norm, 1e-6, scale)) for norm, scale, _ in norms}
    _, *rows = _ops.rms_norm_products(x, 1e-6, norms)
    for got, scale in zip(rows, (0.3, 0.7, 0.7), strict=True):
        assert_same_bits(got, normed[scale])
    total, _, *rows = _ops.rms_norm_add_products(x, weight, 1e-6, 0.5, residual, norms)
    normed = {scale: _ops.half_rows(_ops.rms_norm(total, norm, 1e-6, scale)) for norm, scale, _ in norms}
    for got, scale in zip(rows, (0.3, 0.7, 0.7), strict=True):
        assert_same_bits(got, normed[scale])


def test_feed_forward_add_rounds_alike():
    columns, ones = 96, vector(np.ones(96, np.float32))
    routing = _ops.route(draw(3, 4), vector(np.ones(4, np.float32)), 2)
    next_norms = [(vector(draw(columns, seed=3)), 0.3, [experts(columns)])]
    total, got = _ops.feed_forward_add(
        draw(3, columns),
        draw(6, columns, seed=1),
        routing,
        3 * (ones,),
        1e-6,
        (0.5, 0.7),
        2,
        draw(3, columns, seed=2),
        next_norms,
    )
    assert_same_bits(got, _ops.half_rows(_ops.rms_norm(total, next_norms[0][0], 1e-6, 0.3)))


def test_launches(emulator):
    """A norm packs the rows itself. A second target of half precision has a launch of its own."""
    x, ones = draw(3, 64), vector(np.ones(64, np.float32))
    for targets, launches in ((1, 1), (2, 2)):
        before = emulator.num_kernels_launched()
        _ops.rms_norm_add_products(x, ones, 1e-6, 1.0, x, targets * [(ones, 1.0, [experts(64)])])
        assert emulator.num_kernels_launched() - before == launches
