import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference.expert_combine import expert_combine
from reference.stored import vector
from reference.tolerance import (
    assert_rows_independent,
    assert_same_bits,
    assert_thread_independent,
    assert_within_rule,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def route(tokens, num_experts, num_active):
    return _ops.route(draw(tokens, num_experts, seed=3), vector(draw(num_experts, seed=4)), num_active)


@pytest.mark.parametrize("columns", [1, 15, 16, 17, 33, 2816])
@pytest.mark.parametrize(("tokens", "num_experts", "num_active"), [(1, 1, 1), (5, 4, 2), (9, 8, 8), (2, 40, 17)])
def test_expert_combine(tokens, num_experts, num_active, columns):
    routing, y = route(tokens, num_experts, num_active), draw(tokens * num_active, columns)
    arguments = (y, routing.weights, routing.slot_of_pair)
    magnitude = expert_combine(*(np.abs(array) for array in arguments)).max(axis=1)
    assert_within_rule(_ops.expert_combine(y, routing), expert_combine, *arguments, magnitude=magnitude)


def test_order_of_the_sum():
    """The sum begins with the best expert, in float32. So its bits do not depend on where a token's slots lie."""
    routing, y = route(6, 8, 3), draw(18, 40)
    expected = np.zeros((6, 40), np.float32)
    for a in range(3):
        expected += routing.weights[:, a, None] * y[routing.slot_of_pair[:, a]]
    got = _ops.expert_combine(y, routing)
    if device.is_cpu():
        assert_same_bits(got, expected)
    else:  # a GPU fuses multiply and add, so it rounds once where this rounds twice
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


def test_company():
    """A token's sum does not depend on the other tokens."""
    scores, parts = draw(7, 8, seed=3), draw(7, 3, 40)

    def combine(tokens):
        routing = _ops.route(scores[tokens], vector(np.ones(8)), 3)
        y = np.empty((3 * len(tokens), 40), np.float32)
        y[routing.slot_of_pair] = parts[tokens]
        return _ops.expert_combine(y, routing)

    assert_rows_independent(combine, 7)


def test_no_tokens():
    assert _ops.expert_combine(draw(0, 7), route(0, 4, 2)).shape == (0, 7)


def test_threads():
    assert_thread_independent(_ops.expert_combine, draw(1600, 500), route(200, 16, 8))


def test_refuses():
    with pytest.raises(ValueError, match="expert_combine: y: expected 6 rows, got 5"):
        _ops.expert_combine(draw(5, 7), route(3, 4, 2))
