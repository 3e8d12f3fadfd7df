import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference.feed_forward_add import combine, feed_forward_add
from reference.stored import random_weight, vector
from reference.tolerance import assert_rows_independent, assert_same_bits, assert_within_rule

EPS = 1e-6
ALL = slice(None)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def route(scores, num_active):
    return _ops.route(scores, vector(np.ones(scores.shape[1])), num_active)


class Layer:
    """Random arguments for some tokens; `run` may take some of the tokens, in any order."""

    def __init__(self, tokens, num_experts, num_active, columns):
        self.scores, self.num_active = draw(tokens, num_experts, seed=3), num_active
        self.mlp, self.parts = draw(tokens, columns), draw(tokens, num_active, columns, seed=1)
        self.residual, self.norms = draw(tokens, columns, seed=2), draw(3, columns, seed=4)
        self.scales = np.full((tokens, 1), 0.7, np.float32)

    def run(self, tokens=ALL, num_canvas_rows=None, scales=(0.7, 0.7), next_norms=(), num_threads=1):
        routing, experts = self.routed(tokens)
        residual, *products = _ops.feed_forward_add(
            self.mlp[tokens],
            experts,
            routing,
            tuple(vector(norm) for norm in self.norms),
            EPS,
            scales,
            len(self.mlp[tokens]) if num_canvas_rows is None else num_canvas_rows,
            self.residual[tokens],
            list(next_norms),
            num_threads=num_threads,
        )
        return (residual, *products) if next_norms else residual

    def routed(self, tokens=ALL):
        """The routing, and the experts' rows in the order of the slots."""
        routing, parts = route(self.scores[tokens], self.num_active), self.parts[tokens]
        experts = np.empty((parts.shape[0] * parts.shape[1], parts.shape[2]), np.float32)
        experts[routing.slot_of_pair] = parts
        return routing, experts

    def arguments(self):
        routing, experts = self.routed()
        return (
            self.mlp,
            experts,
            routing.weights,
            routing.slot_of_pair,
            self.norms,
            EPS,
            self.scales,
            self.residual,
        )


@pytest.mark.parametrize("columns", [1, 15, 16, 17, 33, 2816, 4097])
@pytest.mark.parametrize(("tokens", "num_experts", "num_active"), [(1, 1, 1), (5, 4, 2), (9, 8, 8), (2, 40, 17)])
def test_feed_forward_add(tokens, num_experts, num_active, columns):
    layer = Layer(tokens, num_experts, num_active, columns)
    arguments = layer.arguments()
    # Where the terms of the experts' sum cancel, the norm enlarges their rounding.
    sums = combine(*(np.abs(array) for array in arguments[1:4])) / np.abs(combine(*arguments[1:4])).max(
        1, keepdims=True
    )
    magnitude = np.maximum(sums.max(axis=1), 1) * (np.abs(layer.residual) + 4 * np.abs(layer.norms[2])).max(axis=1)
    assert_within_rule(layer.run(), feed_forward_add, *arguments, magnitude=magnitude)


def test_canvases_and_texts_have_a_scale_each():
    layer = Layer(6, 8, 3, 40)
    got = layer.run(num_canvas_rows=4, scales=(0.7, -1.5))
    assert_same_bits(got[:4], layer.run()[:4])
    assert_same_bits(got[4:], layer.run(scales=(-1.5, 0.0))[4:])


def test_order_of_the_sum():
    """The sum of the experts begins with the best, in float32. So its bits do not depend on where the slots lie."""
    layer = Layer(6, 8, 3, 40)
    routing, experts = layer.routed()
    expected = np.zeros((6, 40), np.float32)
    for a in range(3):
        expected += routing.weights[:, a, None] * experts[routing.slot_of_pair[:, a]]
    single = Layer(6, 1, 1, 40)  # one expert with the weight 1, whose row is the sum
    single.parts = expected[:, None, :]
    single.mlp, single.residual, single.norms = layer.mlp, layer.residual, layer.norms
    if device.is_cpu():
        assert_same_bits(layer.run(), single.run())
    else:  # a GPU fuses multiply and add, so it rounds once where this rounds twice
        np.testing.assert_allclose(layer.run(), single.run(), rtol=1e-5, atol=1e-5)


def test_rows_and_threads():
    """A token's row does not depend on the other tokens."""
    layer = Layer(7, 8, 3, 40)
    assert_rows_independent(lambda tokens: layer.run(tokens), 7)
    if device.is_cpu():
        layer = Layer(200, 16, 8, 500)
        for num_threads in (2, 3):
            assert_same_bits(layer.run(num_threads=num_threads), layer.run())


@pytest.mark.parametrize("columns", [256, 4352])
def test_products_of_the_new_residual(columns):
    layer = Layer(5, 4, 2, columns)
    weights = [random_weight(np.random.default_rng(i), name, (19, columns)) for i, name in enumerate(("Q4_K", "Q8_0"))]
    norm = vector(draw(columns, seed=9))
    residual, *products = layer.run(next_norms=[(norm, 1.0, weights)])
    assert_same_bits(residual, layer.run())
    for product, weight in zip(products, weights, strict=True):
        assert_same_bits(product, _ops.linear(_ops.rms_norm(residual, norm, EPS), weight))


def test_no_tokens():
    assert Layer(0, 4, 2, 7).run().shape == (0, 7)


def test_refuses():
    layer = Layer(3, 4, 2, 8)
    with pytest.raises(ValueError, match="feed_forward_add: 4 canvas rows of 3"):
        layer.run(num_canvas_rows=4)
    layer.parts = draw(3, 2, 7)
    with pytest.raises(ValueError, match="feed_forward_add: experts: expected 8 columns, got 7"):
        layer.run()
    layer.parts, layer.mlp = draw(3, 2, 8), draw(3, 9)
    with pytest.raises(ValueError, match="feed_forward_add: mlp: expected 8 columns, got 9"):
        layer.run()
