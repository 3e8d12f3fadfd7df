import numpy as np
import pytest

from gesso import _ops
from reference.gelu_mul import gelu_mul
from reference.tolerance import (
    assert_rows_independent,
    assert_same_bits,
    assert_thread_independent,
    assert_within_rule,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 1), (3, 15), (4, 16), (5, 17), (2, 704), (3, 2112)])
def test_gelu_mul(shape):
    gate, up = 3 * draw(*shape), draw(*shape, seed=1)
    assert_within_rule(_ops.gelu_mul(gate, up), gelu_mul, gate, up)


def test_each_value():
    """Every element as a row of its own: small ones are as accurate as large ones."""
    gate = np.linspace(-6, 12, 2001, dtype=np.float32)[:, None]
    assert_within_rule(_ops.gelu_mul(gate, np.ones_like(gate)), gelu_mul, gate, np.ones_like(gate))


def test_far_out():
    gate = np.array([[-1e30, -100, -20, -0.0, 0, 20, 100, 1e30]], np.float32)
    expected = np.array([[0, 0, 0, 0, 0, 20, 100, 1e30]], np.float32)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(_ops.gelu_mul(gate, np.ones_like(gate)), expected)


def test_no_rows():
    assert _ops.gelu_mul(draw(0, 8), draw(0, 8)).shape == (0, 8)


def test_halves_of_one_matrix_and_in_place():
    """As the model calls it: gate and up side by side, the result over the gate."""
    both = draw(5, 66)
    gate, up = both[:, :33], both[:, 33:]
    expected = _ops.gelu_mul(gate.copy(), up.copy())
    assert_same_bits(_ops.gelu_mul(gate, up), expected)
    assert_same_bits(_ops.gelu_mul(gate, up, in_place=True), expected)


def test_threads_and_rows():
    gate, up = draw(301, 1001), draw(301, 1001, seed=1)
    assert_thread_independent(_ops.gelu_mul, gate, up)
    assert_rows_independent(lambda rows: _ops.gelu_mul(gate[rows], up[rows]), 5)


def test_refuses():
    with pytest.raises(ValueError, match="gelu_mul: up: expected 3 rows, got 2"):
        _ops.gelu_mul(draw(3, 4), draw(2, 4))
    with pytest.raises(ValueError, match="gelu_mul: up: expected 4 columns, got 5"):
        _ops.gelu_mul(draw(3, 4), draw(3, 5))
