import numpy as np
import pytest

from gesso import _ops
from reference.linear import linear, magnitude
from reference.stored import COLUMNS, as_stored, random_weight, values_of, vector
from reference.tolerance import (
    assert_rows_independent,
    assert_same_bits,
    assert_thread_independent,
    assert_within_rule,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stored(name, *shape):
    return random_weight(np.random.default_rng(9), name, shape)


def check(x, weight, scale=None):
    got = _ops.linear(x, weight, None if scale is None else vector(scale))
    arguments = (x, values_of(weight)) + (() if scale is None else (scale,))
    assert_within_rule(got, linear, *arguments, magnitude=magnitude(*arguments), product_with=weight[0])


@pytest.mark.parametrize(("name", "columns"), COLUMNS)
def test_formats(name, columns):
    check(draw(5, columns), stored(name, 19, columns))


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 8, 9, 23, 24, 25, 65, 129])  # around tiles of 4, and of 24 and 128
@pytest.mark.parametrize("outputs", [1, 2, 3, 15, 16, 17, 33, 63, 64, 65])  # tiles of 2 in blocks of 16, of 64
def test_tiles(rows, outputs):
    check(draw(rows, 50), stored("F32", outputs, 50))
    check(draw(rows, 64), stored("Q8_0", outputs, 64))


@pytest.mark.parametrize("name", ["BF16", "Q4_K"])
def test_sizes_of_the_model(name):
    check(draw(5, 2816), stored(name, 300, 2816))


def test_f32_weights_keep_their_precision():
    """A router decides with F32 weights, so no device rounds them, or x, to bf16."""
    x, weight = draw(40, 300), stored("F32", 70, 300)
    exact = linear(x.astype(np.float64), values_of(weight).astype(np.float64))
    assert np.abs(_ops.linear(x, weight) - exact).max() < 5e-5 * magnitude(x, values_of(weight)).max()


def test_scale():
    check(draw(3, 33), stored("F32", 5, 33), scale=np.float32(0.37))


def test_no_rows():
    assert _ops.linear(draw(0, 32), stored("Q4_0", 17, 32)).shape == (0, 17)


def test_rows_apart():
    wide, weight = draw(6, 70), stored("F16", 17, 33)
    assert_same_bits(_ops.linear(wide[::2, 30:63], weight), _ops.linear(wide[::2, 30:63].copy(), weight))


@pytest.mark.parametrize("name", ["F32", "Q4_K"])
def test_threads_and_rows(name):
    x, weight = draw(100, 1024), stored(name, 1000, 1024)
    assert_thread_independent(_ops.linear, x, weight)
    few = stored(name, 50, 1024)
    assert_rows_independent(lambda rows: _ops.linear(x[rows], few), 9)
    assert_same_bits(_ops.linear(x, few)[:9], _ops.linear(x[:9], few))


def test_special_values():
    """NaN or infinity of a broken checkpoint affects only its own rows and outputs."""
    x, values = draw(5, 20), draw(18, 20, seed=1)
    x[1, 3], values[17, 19] = np.inf, np.nan
    got = _ops.linear(x, as_stored("F32", values))
    assert np.isnan(got[:, 17]).all() and not np.isfinite(got[1]).any()
    assert np.isfinite(np.delete(got, 1, axis=0)[:, :17]).all()


def test_refuses():
    x = draw(3, 32)
    with pytest.raises(ValueError, match="linear: x: expected 64 columns, got 32"):
        _ops.linear(x, stored("Q8_0", 5, 64))
    with pytest.raises(ValueError, match=r"linear: weight: expected rank 2, got \[2, 5, 32\]"):
        _ops.linear(x, stored("F32", 2, 5, 32))
    with pytest.raises(ValueError, match="linear: weight: cannot compute with type I32; supported: F32, F16"):
        _ops.linear(x, ("I32", [5, 32], np.zeros(640, np.uint8)))
    with pytest.raises(ValueError, match=r"linear: scale: expected F32 \[1\], got F32 \[5\]"):
        _ops.linear(x, stored("F32", 5, 32), vector(draw(5)))
    with pytest.raises(ValueError, match=r"linear: scale: expected F32 \[1\], got BF16 \[1\]"):
        _ops.linear(x, stored("F32", 5, 32), stored("BF16", 1))
