import numpy as np
import pytest

from gesso import _ops
from reference.gated_linear import gated_linear, magnitude
from reference.gelu_mul import gelu_mul
from reference.stored import COLUMNS, as_stored, random_weight, values_of, vector
from reference.tolerance import (
    assert_rows_independent,
    assert_same_bits,
    assert_thread_independent,
    assert_within_rule,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stored(name, *shape, seed=9):
    return random_weight(np.random.default_rng(seed), name, shape)


def pair(name, *shape):
    """A gate and an up weight of one type."""
    return stored(name, *shape), stored(name, *shape, seed=10)


def check(x, gate, up, gate_scale=1.0, up_scale=1.0):
    got = _ops.gated_linear(x, gate, up, gate_scale=vector(gate_scale), up_scale=vector(up_scale))
    arguments = (x, values_of(gate), values_of(up), np.float32(gate_scale), np.float32(up_scale))
    # Where the types of gate and up differ, the rule of the type that rounds x less is the stricter one.
    assert_within_rule(got, gated_linear, *arguments, magnitude=magnitude(*arguments), product_with=up[0])


@pytest.mark.parametrize(("name", "columns"), COLUMNS)
def test_formats(name, columns):
    check(draw(5, columns) / 4, *pair(name, 19, columns))


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 8, 9, 23, 24, 25, 65, 129])  # around tiles of 4, and of 24 and 128
@pytest.mark.parametrize("outputs", [1, 2, 7, 8, 9, 15, 17, 31, 32, 33])  # tiles of 2 in blocks of 16, of 8 in 32
def test_tiles(rows, outputs):
    check(draw(rows, 50) / 4, *pair("F32", outputs, 50))
    check(draw(rows, 64) / 4, *pair("Q8_0", outputs, 64))


@pytest.mark.parametrize("name", ["BF16", "Q4_K"])
def test_sizes_of_the_model(name):
    check(draw(5, 2816) / 16, *pair(name, 100, 2816))


def test_scales():
    check(draw(3, 33), *pair("F32", 5, 33), gate_scale=0.37, up_scale=-2.5)


@pytest.mark.parametrize("rows", [5, 40])
def test_two_types(rows):
    check(draw(rows, 256) / 4, stored("Q4_K", 19, 256), stored("Q6_K", 19, 256, seed=10))
    check(draw(rows, 256) / 4, stored("F32", 19, 256), stored("BF16", 19, 256, seed=10), up_scale=0.3)


def activation(gate):
    """gelu_tanh(gate), computed by a product with one column each."""
    x = np.stack([gate, np.ones_like(gate)], axis=1)
    return _ops.gated_linear(x, as_stored("F32", np.array([[1, 0]])), as_stored("F32", np.array([[0, 1]])))


def test_each_value():
    """Every element is a row of its own for the comparison: small elements must be as accurate as large ones."""
    gate = np.linspace(-6, 12, 1001, dtype=np.float32)
    assert_within_rule(activation(gate), lambda x: gelu_mul(x, np.ones_like(x)), gate[:, None], product_with="F32")


def test_far_out():
    gate = np.array([-1e30, -100, -20, -0.0, 0, 20, 100, 1e30], np.float32)
    expected = np.array([[0, 0, 0, 0, 0, 20, 100, 1e30]], np.float32)
    np.testing.assert_allclose(activation(gate), expected.T, rtol=2e-5)


def test_no_rows():
    assert _ops.gated_linear(draw(0, 32), *pair("Q4_0", 17, 32)).shape == (0, 17)


def test_rows_apart():
    wide, weights = draw(6, 70), pair("F16", 17, 33)
    assert_same_bits(
        _ops.gated_linear(wide[::2, 30:63], *weights), _ops.gated_linear(wide[::2, 30:63].copy(), *weights)
    )


@pytest.mark.parametrize("name", ["F32", "Q4_K"])
def test_threads_and_rows(name):
    x = draw(100, 1024) / 8
    assert_thread_independent(_ops.gated_linear, x, *pair(name, 500, 1024))
    few = pair(name, 50, 1024)
    assert_rows_independent(lambda rows: _ops.gated_linear(x[rows], *few), 9)
    assert_same_bits(_ops.gated_linear(x, *few)[:9], _ops.gated_linear(x[:9], *few))


def test_refuses():
    x, weight = draw(3, 32), stored("Q8_0", 5, 32)
    with pytest.raises(ValueError, match="gated_linear: x: expected 64 columns, got 32"):
        _ops.gated_linear(x, *pair("Q8_0", 5, 64))
    with pytest.raises(ValueError, match=r"gated_linear: up: expected rank 2, got \[2, 5, 32\]"):
        _ops.gated_linear(x, weight, stored("F32", 2, 5, 32))
    with pytest.raises(ValueError, match="gated_linear: out: expected 6 columns, got 5"):
        _ops.gated_linear(x, weight, stored("F32", 6, 32))
    with pytest.raises(ValueError, match="gated_linear: gate: cannot compute with type I32"):
        _ops.gated_linear(x, ("I32", [5, 32], np.zeros(640, np.uint8)), weight)
    with pytest.raises(ValueError, match=r"gated_linear: up's scale: expected F32 \[1\], got F32 \[5\]"):
        _ops.gated_linear(x, weight, weight, up_scale=vector(draw(5)))


@pytest.mark.parametrize("rows", [1, 5, 25, 129])  # narrow and wide tiles
@pytest.mark.parametrize("outputs", [32, 64, 96, 288])  # one tile; a whole step; a step that ends in its middle
@pytest.mark.parametrize("name", ["Q8_0", "Q4_K", "BF16", "NVFP4"])
def test_rounded_for_the_next_product(name, rows, outputs):
    """A result that is rounded at once for the next product gives the bits of one that is stored as float32 first."""
    x, weights = draw(rows, 256) / 4, pair(name, outputs, 256)
    for next_name in ("Q8_0", "F32") if outputs % 64 else ("Q8_0", "NVFP4"):
        down = stored(next_name, 19, outputs, seed=11)
        assert_same_bits(_ops.gated_linear(x, *weights, down=down), _ops.linear(_ops.gated_linear(x, *weights), down))


def test_rounded_where_the_sum_has_splits():
    x, weights, down = draw(30, 4096) / 16, pair("Q8_0", 64, 4096), stored("Q8_0", 19, 64, seed=11)
    assert_same_bits(_ops.gated_linear(x, *weights, down=down), _ops.linear(_ops.gated_linear(x, *weights), down))


def test_rounded_after_two_types():
    x, down = draw(5, 256) / 4, stored("Q8_0", 19, 64, seed=11)
    weights = stored("Q4_K", 64, 256), stored("Q6_K", 64, 256, seed=10)
    assert_same_bits(_ops.gated_linear(x, *weights, down=down), _ops.linear(_ops.gated_linear(x, *weights), down))
