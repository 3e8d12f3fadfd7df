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
