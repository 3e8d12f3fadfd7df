import numpy as np
import pytest

from gesso import _ops
from reference.linear import linear
from reference.route import slots, top_experts
from reference.router import router_weights
from reference.stored import as_stored, random_weight, values_of, vector
from reference.tolerance import assert_rows_independent, assert_same_bits, assert_within_rule

FIELDS = ("experts", "weights", "slot_of_pair", "token_of_slot", "expert_offsets")


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def scores_of(columns, num_experts):
    """A weight that makes scores of about 1."""
    return as_stored("F32", draw(num_experts, columns, seed=9) / np.float32(np.sqrt(columns)))


def check(x, weight, num_active, product_with=None, **options):
    num_experts, scale = weight[1][0], options.get("scale", np.float32(1))
    per_expert_scale = np.exp2(np.arange(num_experts) % 5).astype(np.float32)  # no rounding changes it
    stored_scale = {name: vector(value) for name, value in options.items()}
    routing = _ops.router(x, weight, vector(per_expert_scale), num_active, **stored_scale)
    experts = routing.experts
    if product_with is None:  # the scores are so exact that they choose what exact ones choose
        exact = linear(x.astype(np.float64), values_of(weight).astype(np.float64), np.float64(scale))
        np.testing.assert_array_equal(experts, top_experts(exact, num_active))
    arguments = (x, values_of(weight), per_expert_scale, experts, scale)
    assert_within_rule(routing.weights, router_weights, *arguments, product_with=product_with)
    for got, expected in zip(
        (routing.slot_of_pair, routing.token_of_slot, routing.expert_offsets), slots(experts, num_experts), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("tokens", [1, 31, 32, 33, 65])  # around tiles of 32
@pytest.mark.parametrize("num_experts", [1, 2, 63, 64, 65, 130])  # around tiles of 64
def test_tiles(tokens, num_experts):
    """All experts are chosen, so that each score counts."""
    check(draw(tokens, 36), scores_of(36, num_experts), num_experts)


@pytest.mark.parametrize("columns", [4, 28, 32, 36, 64, 100, 132, 516])  # steps of 32
def test_columns(columns):
    check(draw(5, columns), scores_of(columns, 20), 3)


def test_sizes_of_the_model():
    check(draw(40, 2816), scores_of(2816, 128), 8)


@pytest.mark.parametrize("name", ["F16", "BF16", "Q8_0"])
def test_other_types(name):
    weight = random_weight(np.random.default_rng(9), name, (20, 64))
    check(draw(9, 64) / 4, weight, 20, product_with=name)


def test_rows_that_no_copy_of_16_bytes_reads():
    """33 columns, or rows at odd addresses. A device computes them as it does any other product."""
    for x in (draw(6, 33), draw(6, 70)[::2, 1:33]):
        check(x, scores_of(x.shape[1], 20), 20, product_with="F32")


def test_scale():
    check(draw(9, 64), scores_of(64, 20), 20, scale=np.float32(0.37))


def test_rows_apart():
    wide, weight, ones = draw(6, 72), scores_of(32, 17), vector(np.ones(17))
    for field in FIELDS:
        apart, together = (_ops.router(x, weight, ones, 3) for x in (wide[::2, 36:68], wide[::2, 36:68].copy()))
        assert_same_bits(getattr(apart, field), getattr(together, field))


def test_no_rows():
    routing = _ops.router(draw(0, 32), scores_of(32, 17), vector(np.ones(17)), 3)
    assert routing.expert_offsets.tolist() == [0] * 18


def test_threads_and_rows():
    x, weight, scale = draw(1000, 512), scores_of(512, 70), vector(draw(70, seed=1))
    alone, *others = [_ops.router(x[:200], weight, scale, 8, num_threads=threads) for threads in (1, 2, 3)]
    for field in FIELDS:
        for other in others:
            assert_same_bits(getattr(alone, field), getattr(other, field))

    def by_token(rows):
        routing = _ops.router(x[rows], weight, scale, 8)
        return routing.experts, routing.weights

    assert_rows_independent(by_token, 5)
    assert_same_bits(by_token(np.arange(70))[1][:5], by_token(np.arange(5))[1])


def test_not_finite():
    """A score that is not finite shows in the weights of its own token only."""
    x, weight, ones = draw(4, 64), scores_of(64, 7), vector(np.ones(7))
    expected = _ops.router(x, weight, ones, 2)
    x[2, 5] = np.nan
    got = _ops.router(x, weight, ones, 2)
    assert np.isnan(got.weights[2]).all()
    assert_same_bits(got.weights[[0, 1, 3]], expected.weights[[0, 1, 3]])


def test_refuses():
    x, weight, ones = draw(3, 8), scores_of(8, 4), vector(np.ones(4))
    with pytest.raises(ValueError, match="router: x: expected 8 columns, got 7"):
        _ops.router(x[:, :7], weight, ones, 2)
    with pytest.raises(ValueError, match=r"router: per_expert_scale: expected F32 \[4\], got F32 \[5\]"):
        _ops.router(x, weight, vector(np.ones(5)), 2)
    with pytest.raises(ValueError, match="router: 5 active experts of 4"):
        _ops.router(x, weight, ones, 5)
    with pytest.raises(ValueError, match=r"router: scale: expected F32 \[1\], got F32 \[2\]"):
        _ops.router(x, weight, ones, 2, scale=vector(np.ones(2)))
