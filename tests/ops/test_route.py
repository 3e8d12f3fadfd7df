import numpy as np
import pytest

from gesso import _ops
from reference.route import expert_weights, slots, top_experts
from reference.stored import vector
from reference.tolerance import assert_rows_independent, assert_same_bits, assert_within_rule

SHAPES = [(0, 4, 2), (1, 1, 1), (1, 4, 4), (3, 5, 2), (33, 8, 8), (17, 7, 1), (64, 128, 8)]
SHAPES += [(40, 256, 16), (3, 1100, 40)]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def check(scores, num_active, per_expert_scale):
    routing = _ops.route(scores, vector(per_expert_scale), num_active)
    experts = top_experts(scores, num_active)
    np.testing.assert_array_equal(routing.experts, experts)
    assert_within_rule(routing.weights, expert_weights, scores, experts, per_expert_scale)
    slot_of_pair, token_of_slot, expert_offsets = slots(experts, scores.shape[1])
    np.testing.assert_array_equal(routing.slot_of_pair, slot_of_pair)
    np.testing.assert_array_equal(routing.token_of_slot, token_of_slot)
    np.testing.assert_array_equal(routing.expert_offsets, expert_offsets)


@pytest.mark.parametrize(("tokens", "num_experts", "num_active"), SHAPES)
def test_route(tokens, num_experts, num_active):
    check(3 * draw(tokens, num_experts), num_active, draw(num_experts, seed=1))


@pytest.mark.parametrize("num_active", [1, 2, 3, 7, 8])
def test_ties(num_active):
    """Scores have only three different values. Among equal scores the lower expert comes first."""
    scores = np.random.default_rng(0).integers(0, 3, (50, 8)).astype(np.float32)
    check(scores, num_active, np.ones(8, np.float32))


def test_scale_may_be_zero_or_negative():
    check(draw(9, 6), 3, np.array([0, -1, 2, 1e-20, 1e20, 0], np.float32))


@pytest.mark.parametrize("size", [1e-6, 1e4, 1e30])
def test_score_sizes(size):
    """Scores that are nearly equal, and scores so far apart that all experts except the best have no weight."""
    check(draw(20, 16) * np.float32(size), 4, np.ones(16, np.float32))


def test_weights_sum_to_one():
    routing = _ops.route(draw(30, 16), vector(np.ones(16)), 5)
    np.testing.assert_allclose(routing.weights.sum(axis=1), 1, rtol=1e-6)


def test_empty_experts_keep_their_place():
    scores = np.full((4, 6), -5, np.float32)
    scores[:, [2, 5]] = 1
    routing = _ops.route(scores, vector(np.ones(6)), 2)
    assert routing.expert_offsets.tolist() == [0, 0, 0, 4, 4, 4, 8]
    assert routing.token_of_slot.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


def test_nan_scores_still_choose_experts():
    """Scores of NaN must not give indices outside the routing."""
    scores = draw(40, 7)
    scores[np.random.default_rng(1).random(scores.shape) < 0.4] = np.nan
    scores[0] = np.nan
    routing = _ops.route(scores, vector(np.ones(7)), 3)
    assert all(len(set(row)) == 3 and set(row) <= set(range(7)) for row in routing.experts.tolist())
    assert sorted(routing.slot_of_pair.reshape(-1).tolist()) == list(range(120))
    assert routing.expert_offsets[-1] == 120


@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_nan_score_makes_all_weights_nan(place):
    """An expert whose score is NaN is not passed over in silence. Other tokens keep their weights."""
    scores = draw(4, 7)
    expected = _ops.route(scores, vector(np.ones(7)), 2)
    scores[2, place] = np.nan
    routing = _ops.route(scores, vector(np.ones(7)), 2)
    assert np.isnan(routing.weights[2]).all() and routing.experts[2, 0] == place
    others = [0, 1, 3]
    assert_same_bits(routing.weights[others], expected.weights[others])
    np.testing.assert_array_equal(routing.experts[others], expected.experts[others])


def test_threads_and_rows():
    scores, scale = draw(10000, 128), vector(draw(128, seed=1))
    fields = ("experts", "weights", "slot_of_pair", "token_of_slot", "expert_offsets")
    results = [_ops.route(scores, scale, 8, num_threads=threads) for threads in (1, 2, 3)]
    for field in fields:
        for other in results[1:]:
            assert_same_bits(getattr(results[0], field), getattr(other, field))

    def by_token(rows):
        routing = _ops.route(scores[rows], scale, 8)
        return routing.experts, routing.weights

    assert_rows_independent(by_token, 5)


def test_refuses():
    scores = draw(3, 4)
    with pytest.raises(ValueError, match=r"route: per_expert_scale: expected F32 \[4\], got F32 \[5\]"):
        _ops.route(scores, vector(draw(5)), 2)
    with pytest.raises(ValueError, match=r"route: per_expert_scale: expected F32 \[4\], got nothing"):
        _ops.route(scores, None, 2)
    for num_active in (0, 5):
        with pytest.raises(ValueError, match=f"route: {num_active} active experts of 4"):
            _ops.route(scores, vector(draw(4)), num_active)
