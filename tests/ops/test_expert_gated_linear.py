import numpy as np
import pytest

from gesso import _ops
from reference.expert_gated_linear import expert_gated_linear, magnitude
from reference.stored import COLUMNS, random_weight, values_of, vector
from reference.tolerance import assert_same_bits, assert_thread_independent, assert_within_rule


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stored(name, *shape, seed=9):
    return random_weight(np.random.default_rng(seed), name, shape)


def route(tokens, num_experts, num_active, seed=3):
    return _ops.route(draw(tokens, num_experts, seed=seed), vector(np.ones(num_experts)), num_active)


def check_values(got, x, gate, up, routing, gate_scale, up_scale, name):
    experts = np.repeat(np.arange(len(routing.expert_offsets) - 1), np.diff(routing.expert_offsets))
    scales = [np.broadcast_to(np.asarray(s, np.float32), (len(gate),)) for s in (gate_scale, up_scale)]
    arguments = (x, gate, up, experts, routing.token_of_slot, *scales)
    assert_within_rule(got, expert_gated_linear, *arguments, magnitude=magnitude(*arguments), product_with=name)


def check_fused(x, weight, routing, scale=1.0):
    """Checks gate and up that are stored in one tensor."""
    got = _ops.expert_gated_linear(x, weight, None, None, routing, gate_scale=vector(scale))
    gate, up = np.split(values_of(weight), 2, axis=1)
    check_values(got, x, gate, up, routing, scale, scale, weight[0])


def check_split(x, gate, up, routing, gate_scale=1.0, up_scale=1.0):
    scales = {"gate_scale": vector(gate_scale), "up_scale": vector(up_scale)}
    got = _ops.expert_gated_linear(x, None, gate, up, routing, **scales)
    check_values(got, x, values_of(gate), values_of(up), routing, gate_scale, up_scale, up[0])


@pytest.mark.parametrize(("name", "columns"), COLUMNS)
def test_formats(name, columns):
    check_fused(draw(9, columns) / 4, stored(name, 4, 38, columns), route(9, 4, 2))


@pytest.mark.parametrize("outputs", [1, 2, 7, 8, 9, 17, 33])
@pytest.mark.parametrize("tokens", [1, 3, 4, 5, 8, 9, 25])
def test_tiles(tokens, outputs):
    """Each token chooses both experts, so an expert has exactly `tokens` rows. Weights are stored in both ways."""
    x, routing = draw(tokens, 50) / 4, route(tokens, 2, 2)
    check_fused(x, stored("F32", 2, 2 * outputs, 50), routing)
    check_split(x, stored("F16", 2, outputs, 50), stored("F16", 2, outputs, 50, seed=10), routing)


def test_many_rows():
    """Some experts have more rows than a wide tile, others fewer than a narrow one."""
    routing = route(200, 3, 1)
    check_fused(draw(200, 96) / 4, stored("Q4_0", 3, 66, 96), routing)


def test_sizes_of_the_model():
    check_fused(draw(6, 2816) / 16, stored("Q4_K", 16, 48, 2816), route(6, 16, 8))


def test_experts_without_tokens():
    routing = route(2, 50, 1)
    assert np.count_nonzero(np.diff(routing.expert_offsets)) <= 2
    check_fused(draw(2, 33), stored("BF16", 50, 34, 33), routing)


@pytest.mark.parametrize("size", [1, 5])
def test_scales(size):
    """One scale for all experts, or one for each."""
    x, routing = draw(7, 40), route(7, 5, 3)
    check_fused(x, stored("F16", 5, 18, 40), routing, scale=draw(size, seed=4))
    gate, up = stored("F16", 5, 9, 40), stored("F16", 5, 9, 40, seed=10)
    check_split(x, gate, up, routing, gate_scale=draw(size, seed=4), up_scale=draw(size, seed=5))
    check_split(x, gate, up, routing, gate_scale=draw(1, seed=4), up_scale=draw(5, seed=5))


def test_two_types():
    gate, up = stored("Q4_K", 4, 19, 256), stored("Q6_K", 4, 19, 256, seed=10)
    check_split(draw(9, 256) / 4, gate, up, route(9, 4, 2), up_scale=draw(4, seed=5))


def test_no_rows():
    got = _ops.expert_gated_linear(draw(0, 32), stored("Q4_0", 4, 34, 32), None, None, route(0, 4, 2))
    assert got.shape == (0, 17)


def test_threads_and_company():
    routing, weight = route(40, 8, 3), stored("Q4_K", 8, 200, 1024)
    x = draw(40, 1024) / 8
    assert_thread_independent(_ops.expert_gated_linear, x, weight, None, None, routing)
    together = _ops.expert_gated_linear(x, weight, None, None, routing)
    scores = draw(40, 8, seed=3)
    for token in (0, 17, 39):
        alone = _ops.route(scores[token : token + 1], vector(np.ones(8)), 3)
        got = _ops.expert_gated_linear(x[token : token + 1], weight, None, None, alone)
        assert_same_bits(got[alone.slot_of_pair[0]], together[routing.slot_of_pair[token]])


def test_refuses():
    x, routing = draw(3, 32), route(3, 4, 2)
    gate, up = stored("F32", 4, 5, 32), stored("F32", 4, 6, 32)

    def refuses(message, *weights, **options):
        with pytest.raises(ValueError, match="expert_gated_linear: " + message):
            _ops.expert_gated_linear(x, *weights, routing, **options)

    refuses("weight: expected 5 rows per expert, got 6", None, gate, up)
    refuses("weight has 3 experts, the routing 4", stored("F32", 3, 10, 32), None, None)
    refuses(r"weight: expected rank 3, got \[10, 32\]", stored("F32", 10, 32), None, None)
    refuses("x: expected 33 columns, got 32", stored("F32", 4, 10, 33), None, None)
    refuses(r"scale: expected F32 \[4\], got F32 \[3\]", None, gate, gate, up_scale=vector(draw(3)))


@pytest.mark.parametrize("outputs", [32, 64, 96])
@pytest.mark.parametrize("tokens", [5, 200])  # narrow tiles; wide ones, for few experts
@pytest.mark.parametrize(("name", "next_name"), [("Q4_0", "Q8_0"), ("Q8_0", "F32"), ("BF16", "Q8_0")])
def test_rounded_for_the_next_product(name, next_name, tokens, outputs):
    """A result that is rounded at once for the next product gives the bits of one that is stored as float32 first."""
    x, routing, weight = draw(tokens, 96) / 4, route(tokens, 3, 2), stored(name, 3, 2 * outputs, 96)
    down = stored(next_name, 3, 19, outputs, seed=11)
    gated = _ops.expert_gated_linear(x, weight, None, None, routing)
    got = _ops.expert_gated_linear(x, weight, None, None, routing, down=down)
    assert_same_bits(got, _ops.expert_linear(gated, down, routing, by_slot=True))
