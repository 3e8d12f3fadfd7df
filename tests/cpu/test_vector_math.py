"""The CPU's functions over arrays of floats, compared with float64."""

import numpy as np
import pytest

from gesso import _ops
from reference.gelu_mul import gelu_mul, gelu_tanh
from reference.tolerance import assert_same_bits, assert_within_rule

SIZES = [0, 1, 2, 7, 15, 16, 17, 31, 33, 100, 1000]
TINY = np.finfo(np.float32).tiny
INF, NAN = np.inf, np.nan


def every(step):
    """Every step-th float of both signs, and the largest ones, but no NaN."""
    bits = np.concatenate([np.arange(0, 0x7F800001, step), [0x7F7FFFFF, 0x7F800000]]).astype(np.uint32)
    return np.concatenate([bits, bits | np.uint32(1 << 31)]).view(np.float32)


def assert_ulp(function, exact_function, x, bound):
    """Compares in units in the last place of the exact result. Where the exact result is below every normal number, 0
    is expected."""
    with np.errstate(all="ignore"):
        exact = exact_function(x.astype(np.float64))
        expected = exact.astype(np.float32)
    got = function(x)
    whole = ~np.isfinite(expected) | (np.abs(expected) < TINY)
    limits = np.where(np.abs(expected) < TINY, 0, expected)
    np.testing.assert_array_equal(np.where(np.abs(got) <= TINY, 0, got)[whole], limits[whole])
    normal = np.abs(exact[~whole])
    ulp = np.exp2(np.floor(np.log2(normal)) - 23)
    errors = np.abs(got[~whole] - exact[~whole]) / ulp
    worst = errors.argmax()
    assert errors[worst] <= bound, f"{errors[worst]:.3f} ulp at {x[~whole][worst]:.9g}"


FUNCTIONS = [(_ops.exp, np.exp, 1.0), (_ops.log, np.log, 1.0), (_ops.tanh, np.tanh, 1.5)]


@pytest.mark.parametrize(("function", "exact", "bound"), FUNCTIONS)
def test_every_size_of_number(function, exact, bound):
    assert_ulp(function, exact, every(9973), bound)


@pytest.mark.parametrize(
    ("function", "exact", "bound", "low", "high"),
    [
        (_ops.exp, np.exp, 1.0, -87.33, 88.72),
        (_ops.log, np.log, 1.0, 0.5, 2),
        (_ops.tanh, np.tanh, 1.5, -10, 10),
        (_ops.tanh, np.tanh, 1.5, -0.7, 0.7),
    ],
)
def test_where_results_vary(function, exact, bound, low, high):
    assert_ulp(function, exact, np.linspace(low, high, 1_000_001, dtype=np.float32), bound)


def test_limits():
    np.testing.assert_array_equal(
        _ops.exp(np.float32([0, -0.0, -INF, INF, NAN, -200, 200])), [1, 1, 0, INF, NAN, 0, INF]
    )
    np.testing.assert_array_equal(
        _ops.log(np.float32([1, 0, -0.0, INF, NAN, -1, -INF])), [0, -INF, -INF, INF] + 3 * [NAN]
    )
    np.testing.assert_array_equal(_ops.tanh(np.float32([0, INF, -INF, NAN, 50, -50])), [0, 1, -1, NAN, 1, -1])
    assert np.signbit(_ops.tanh(np.float32([-0.0])))[0]


def test_exp_where_results_leave_the_normal_numbers():
    edges = np.float32([np.log(2.0) * -126, np.log(2.0) * 128])
    x = np.concatenate([edges.view(np.int32)[:, None] + np.arange(-50, 51)]).astype(np.int32).view(np.float32).ravel()
    assert_ulp(_ops.exp, np.exp, x, 1.0)
    assert (_ops.exp(x[x < edges[0] - 1e-4]) == 0).all()


@pytest.mark.parametrize("function", [_ops.exp, _ops.log, _ops.tanh])
def test_an_element_depends_on_itself_alone(function):
    x = np.random.default_rng(0).uniform(0.01, 30, max(SIZES)).astype(np.float32)
    one_by_one = np.concatenate([function(x[i : i + 1]) for i in range(len(x))])
    for size in SIZES:
        assert_same_bits(function(x[:size].copy()), one_by_one[:size])


@pytest.mark.parametrize("size", SIZES)
def test_gelu_mul(size):
    rng = np.random.default_rng(size)
    gate, up = 4 * rng.standard_normal((2, size)).astype(np.float32)

    def by_element(gate, up):
        return gelu_mul(gate, up)[:, None]

    assert_within_rule(_ops.gelu_mul(gate, up)[:, None], by_element, gate, up, magnitude=np.abs(gate * up))


def test_gelu_far_out():
    """Towards -infinity gelu falls to 0 without cancellation. Large gates pass unchanged."""
    gate = np.float32([-1e30, -1e15, -12, -5, 0, 5, 12, 1e15, 1e30])
    got = _ops.gelu_mul(gate, np.ones_like(gate))
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(got, gelu_tanh(gate.astype(np.float64)), rtol=1e-5, atol=1e-10)
    assert np.isnan(_ops.gelu_mul(np.float32([NAN]), np.float32([1]))).all()


@pytest.mark.parametrize("cap", [0.5, 30.0, 1000.0])
def test_soft_cap(cap):
    x = np.linspace(-5 * cap, 5 * cap, 10001, dtype=np.float32)

    def by_element(x):
        return (x.dtype.type(cap) * np.tanh(x / x.dtype.type(cap)))[:, None]

    assert_within_rule(_ops.soft_cap(cap, x)[:, None], by_element, x)
    large = np.float32([1e38, -1e38])
    np.testing.assert_array_equal(_ops.soft_cap(cap, large), np.float32([cap, -cap]))
    # An infinite logit has no probability. It must not become a large one.
    assert np.isnan(_ops.soft_cap(cap, np.float32([INF, -INF]))).all()
