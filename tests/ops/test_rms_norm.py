import numpy as np
import pytest

from gesso import _ops
from reference.rms_norm import rms_norm, rms_norm_add
from reference.stored import as_stored, random_weight, vector
from reference.tolerance import (
    assert_rows_independent,
    assert_same_bits,
    assert_thread_independent,
    assert_within_rule,
)

EPS = 1e-6
COLUMNS = [1, 2, 15, 16, 17, 31, 32, 33, 100, 127, 129, 2816, 4095, 4097]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("rows", [1, 5])
def test_rms_norm(rows, columns):
    x, weight = draw(rows, columns), draw(columns, seed=1)
    assert_within_rule(_ops.rms_norm(x, vector(weight), EPS), rms_norm, x, weight, EPS)
    assert_within_rule(_ops.rms_norm(x, None, EPS, 0.25), rms_norm, x, None, EPS, 0.25)


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("rows", [1, 5])
def test_rms_norm_add(rows, columns):
    x, weight, residual = draw(rows, columns), draw(columns, seed=1), draw(rows, columns, seed=2)
    got = _ops.rms_norm_add(x, vector(weight), EPS, 0.7, residual)
    assert_within_rule(got, rms_norm_add, x, weight, EPS, 0.7, residual)


@pytest.mark.parametrize("size", [0.0, 1e-18, 1e-4, 1e-3, 1e4, 1e17])
def test_sizes(size):
    """eps decides for small rows, a row of zeros stays zero, and the squares of large values must not overflow."""
    x = draw(3, 64) * np.float32(size)
    assert_within_rule(_ops.rms_norm(x, None, EPS), rms_norm, x, None, EPS)


def test_no_rows():
    assert _ops.rms_norm(draw(0, 8), None, EPS).shape == (0, 8)
    assert _ops.rms_norm_add(draw(0, 8), vector(draw(8)), EPS, 1.0, draw(0, 8)).shape == (0, 8)


def test_in_place_and_rows_apart():
    wide, weight = draw(5, 50), vector(draw(33, seed=1))
    x = wide[:, 7:40]
    expected = _ops.rms_norm(x.copy(), weight, EPS)
    assert_same_bits(_ops.rms_norm(x, weight, EPS), expected)
    assert_same_bits(_ops.rms_norm(x, weight, EPS, in_place=True), expected)


def test_threads_and_rows():
    x, weight, residual = draw(500, 2817), vector(draw(2817, seed=1)), draw(500, 2817, seed=2)
    assert_thread_independent(_ops.rms_norm, x, weight, EPS, 0.5)
    assert_thread_independent(_ops.rms_norm_add, x, weight, EPS, 0.5, residual)
    assert_rows_independent(lambda rows: _ops.rms_norm(x[rows], weight, EPS), 6)
    assert_rows_independent(lambda rows: _ops.rms_norm_add(x[rows], weight, EPS, 0.5, residual[rows]), 6)


def test_refuses():
    x = draw(3, 8)
    with pytest.raises(ValueError, match=r"rms_norm: weight: expected F32 \[8\], got F32 \[7\]"):
        _ops.rms_norm(x, vector(draw(7)), EPS)
    with pytest.raises(ValueError, match=r"rms_norm: weight: expected F32 \[8\], got BF16 \[8\]"):
        _ops.rms_norm(x, random_weight(np.random.default_rng(0), "BF16", (8,)), EPS)
    with pytest.raises(ValueError, match=r"rms_norm_add: weight: expected F32 \[8\], got nothing"):
        _ops.rms_norm_add(x, None, EPS, 1.0, x)
    with pytest.raises(ValueError, match=r"rms_norm_add: weight: expected F32 \[8\], got F16 \[8\]"):
        _ops.rms_norm_add(x, as_stored("F16", draw(8)), EPS, 1.0, x)
    with pytest.raises(ValueError, match="rms_norm_add: residual: expected 3 rows, got 4"):
        _ops.rms_norm_add(x, vector(draw(8)), EPS, 1.0, draw(4, 8))
    with pytest.raises(ValueError, match="rms_norm_add: residual: expected 8 columns, got 9"):
        _ops.rms_norm_add(x, vector(draw(8)), EPS, 1.0, draw(3, 9))


def stored(name, *shape, seed=9):
    return random_weight(np.random.default_rng(seed), name, shape)


def norm(columns, seed):
    return vector(draw(columns, seed=seed))


# Which weights read the same rows. q, k and v are of one type or of two; F32 and Q8_0 are rounded in two ways.
PRODUCTS = [["Q8_0"], ["Q4_K", "Q4_K", "Q6_K"], ["F32"], ["F32", "Q8_0"], ["NVFP4", "NVFP4"], ["BF16", "F32", "Q8_0"]]


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("columns", [256, 2816, 4352])
@pytest.mark.parametrize("types", PRODUCTS)
def test_products_of_rows_that_were_rounded_at_once(types, columns, rows):
    """Rounding the rows of a norm at once gives the bits of rounding its float32 rows."""
    x, weights = draw(rows, columns), [stored(name, 19, columns, seed=i) for i, name in enumerate(types)]
    got = _ops.rms_norm_products(x, EPS, [(norm(columns, 1), 0.5, weights)])
    normed = _ops.rms_norm(x, norm(columns, 1), EPS, 0.5)
    for out, weight in zip(got, weights, strict=True):
        assert_same_bits(out, _ops.linear(normed, weight))


@pytest.mark.parametrize("columns", [256, 2816, 4352])
def test_several_norms_of_the_new_residual(columns):
    x, residual = draw(5, columns), draw(5, columns, seed=2)
    groups = [[stored(name, 19, columns, seed=i) for i, name in enumerate(types)] for types in PRODUCTS[:3]]
    next_norms = [(norm(columns, 3 + i), 0.5 + i, weights) for i, weights in enumerate(groups)]
    sum_, *got = _ops.rms_norm_add_products(x, norm(columns, 1), EPS, 0.7, residual, next_norms)
    assert_same_bits(sum_, _ops.rms_norm_add(x, norm(columns, 1), EPS, 0.7, residual))
    expected = [
        _ops.linear(_ops.rms_norm(sum_, weight, EPS, scale), product)
        for weight, scale, weights in next_norms
        for product in weights
    ]
    for out, right in zip(got, expected, strict=True):
        assert_same_bits(out, right)


def test_rounding_of_odd_rows():
    """Columns that fill no step, and rows with an infinity or of zeros."""
    for columns in (1, 33, 65, 130):
        x, weight = draw(4, columns), stored("F32", 5, columns)
        x[1, columns // 2], x[2] = np.inf, 0
        (got,) = _ops.rms_norm_products(x, EPS, [(norm(columns, 1), 1.0, [weight])])
        assert_same_bits(got, _ops.linear(_ops.rms_norm(x, norm(columns, 1), EPS), weight))


def test_refuses_norms_that_do_not_fit():
    x, weight = draw(3, 8), stored("F32", 5, 8)
    with pytest.raises(ValueError, match=r"weight of a further norm: expected F32 \[8\], got F32 \[7\]"):
        _ops.rms_norm_add_products(x, norm(8, 1), EPS, 1.0, x, [(norm(7, 1), 1.0, [weight])])
    with pytest.raises(ValueError, match="rms_norm_add: expected at most 3 further norms, got 4"):
        _ops.rms_norm_add_products(x, norm(8, 1), EPS, 1.0, x, 4 * [(norm(8, 1), 1.0, [weight])])
