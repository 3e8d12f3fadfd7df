import numpy as np
import pytest

from gesso import _ops
from reference.expert_linear import expert_linear
from reference.stored import COLUMNS, random_weight, values_of, vector
from reference.tolerance import assert_same_bits, assert_thread_independent, assert_within_rule


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stored(name, *shape):
    return random_weight(np.random.default_rng(9), name, shape)


def route(tokens, num_experts, num_active, seed=3):
    return _ops.route(draw(tokens, num_experts, seed=seed), vector(np.ones(num_experts)), num_active)


def expert_of_slot(routing):
    return np.repeat(np.arange(len(routing.expert_offsets) - 1), np.diff(routing.expert_offsets))


def magnitude(x, weight, experts, rows, scale):
    """The size of the terms that a slot sums, for the tolerance rule."""
    return np.sqrt(expert_linear(x.astype(float) ** 2, weight.astype(float) ** 2, experts, rows, scale**2).max(axis=1))


def check(x, weight, routing, by_slot=False, scale=None):
    got = _ops.expert_linear(x, weight, routing, by_slot=by_slot, scale=None if scale is None else vector(scale))
    experts = expert_of_slot(routing)
    rows = np.arange(len(experts)) if by_slot else routing.token_of_slot
    num_experts = weight[1][0]
    scale = np.ones(num_experts) if scale is None else scale
    scales = np.broadcast_to(np.asarray(scale, np.float32), (num_experts,))
    arguments = (x, values_of(weight), experts, rows, scales)
    assert_within_rule(got, expert_linear, *arguments, magnitude=magnitude(*arguments), product_with=weight[0])


@pytest.mark.parametrize(("name", "columns"), COLUMNS)
def test_formats(name, columns):
    check(draw(9, columns), stored(name, 4, 19, columns), route(9, 4, 2))


@pytest.mark.parametrize("outputs", [1, 2, 15, 16, 17, 33])
@pytest.mark.parametrize("tokens", [1, 3, 4, 5, 8, 9])
def test_tiles(tokens, outputs):
    """Each token chooses both experts, so an expert has exactly `tokens` rows. Input rows are given by token and by
    slot."""
    routing, weight = route(tokens, 2, 2), stored("F32", 2, outputs, 50)
    check(draw(tokens, 50), weight, routing)
    check(draw(2 * tokens, 50), weight, routing, by_slot=True)


def test_many_rows():
    """Some experts have more rows than a wide tile, others fewer than a narrow one."""
    check(draw(200, 96), stored("Q4_0", 3, 66, 96), route(200, 3, 1))
    check(draw(300, 96), stored("Q8_0", 3, 66, 96), route(150, 3, 2), by_slot=True)


def test_sizes_of_the_model():
    routing = route(6, 16, 8)
    check(draw(6, 2816), stored("Q4_K", 16, 40, 2816), routing)
    check(draw(48, 704), stored("Q8_0", 16, 50, 704), routing, by_slot=True)


def test_experts_without_tokens():
    routing = route(2, 50, 1)
    assert np.count_nonzero(np.diff(routing.expert_offsets)) <= 2
    check(draw(2, 33), stored("BF16", 50, 17, 33), routing)


@pytest.mark.parametrize("size", [1, 5])
def test_scale(size):
    """One scale for all experts, or one for each."""
    check(draw(7, 40), stored("F16", 5, 9, 40), route(7, 5, 3), scale=draw(size, seed=4))


def test_no_rows():
    assert _ops.expert_linear(draw(0, 32), stored("Q4_0", 4, 17, 32), route(0, 4, 2)).shape == (0, 17)


def test_threads_and_company():
    routing, weight = route(40, 8, 3), stored("Q4_K", 8, 200, 1024)
    x = draw(40, 1024)
    assert_thread_independent(_ops.expert_linear, x, weight, routing)
    together = _ops.expert_linear(x, weight, routing)
    scores = draw(40, 8, seed=3)
    for token in (0, 17, 39):
        alone = _ops.route(scores[token : token + 1], vector(np.ones(8)), 3)
        got = _ops.expert_linear(x[token : token + 1], weight, alone)
        assert_same_bits(got[alone.slot_of_pair[0]], together[routing.slot_of_pair[token]])


def test_refuses():
    x, routing, weight = draw(3, 32), route(3, 4, 2), stored("F32", 4, 5, 32)

    def refuses(message, x, weight, **options):
        with pytest.raises(ValueError, match="expert_linear: " + message):
            _ops.expert_linear(x, weight, routing, **options)

    refuses(r"weight: expected rank 3, got \[5, 32\]", x, stored("F32", 5, 32))
    refuses("weight has 3 experts, the routing 4", x, stored("F32", 3, 5, 32))
    refuses("weight: cannot compute with type Q8_1", x, ("Q8_1", [4, 1, 32], np.zeros(144, np.uint8)))
    refuses("x: expected 32 columns, got 33", draw(3, 33), weight)
    refuses("x: expected 3 rows, got 4", draw(4, 32), weight)
    refuses("x: expected 6 rows, got 3", x, weight, by_slot=True)
    refuses(r"scale: expected F32 \[4\], got F32 \[3\]", x, weight, scale=vector(draw(3)))
    refuses(r"scale: expected F32 \[4\], got F16 \[4\]", x, weight, scale=stored("F16", 4))
    refuses(r"scale: expected F32 \[1\], got F16 \[1\]", x, weight, scale=stored("F16", 1))
