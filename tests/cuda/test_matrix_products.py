"""Products with the instructions of a warp, on a GPU that has no others: all formats, both kinds of activations, and
several orders of the threads. tests/ops checks what an op computes, on one architecture."""

import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference.linear import linear, magnitude
from reference.stored import BLOCKS, FLOATS, SIZES, random_weight, values_of, vector
from reference.tolerance import assert_same_bits, assert_within_rule

SEEDS = (1, 2, 3)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stored(name, *shape, seed=9):
    return random_weight(np.random.default_rng(seed), name, shape)


@pytest.fixture(params=["bf16", "int8"])
def gpu(emulator, request):
    """A GPU with the least shared memory of all architectures, which tiles must fit."""
    emulator.set_architecture(86)
    device.use("cuda", request.param)
    yield emulator
    emulator.reset_settings()
    device.use("cuda", request.config.getoption("--activations"))


def in_any_order(gpu, op):
    """The result of op(), which must be the same for all orders of the threads."""
    results = []
    for seed in SEEDS:
        gpu.set_seed(seed)
        results.append(op())
        assert_same_bits(results[-1], results[0])
    return results[0]


def route(tokens, num_experts, num_active):
    return _ops.route(draw(tokens, num_experts, seed=3), vector(np.ones(num_experts)), num_active)


@pytest.mark.parametrize(
    ("name", "columns"), [(name, 201) for name in FLOATS] + [(name, 3 * SIZES[name][0]) for name in BLOCKS]
)
def test_every_format(gpu, name, columns):
    """Each format with narrow and with wide tiles. Rows of many formats begin at odd addresses."""
    weight = stored(name, 70, columns)
    for rows in (5, 40):
        x = draw(rows, columns)
        got = in_any_order(gpu, lambda x=x: _ops.linear(x, weight))
        arguments = (x, values_of(weight))
        assert_within_rule(got, linear, *arguments, magnitude=magnitude(*arguments), product_with=name)


@pytest.mark.parametrize("name", ["BF16", "F32", "Q4_K", "Q6_K", "Q8_0"])
@pytest.mark.parametrize("num_multiprocessors", [1, 20, 200])
def test_company_and_parts_of_the_sum(gpu, name, num_multiprocessors):
    """A row's bits do not depend on the other rows, nor on the number of parts into which its sum is cut."""
    gpu.set_num_multiprocessors(num_multiprocessors)
    device.use("cuda", device.activations)
    x, weight = draw(150, 2816), stored(name, 20, 2816)
    together = in_any_order(gpu, lambda: _ops.linear(x, weight))
    gated = _ops.gated_linear(x / 16, weight, stored(name, 20, 2816, seed=10))
    for rows in (slice(0, 1), slice(7, 39), slice(100, 133), slice(20, 149)):
        assert_same_bits(_ops.linear(x[rows], weight), together[rows])
        part = _ops.gated_linear(x[rows] / 16, weight, stored(name, 20, 2816, seed=10))
        assert_same_bits(part, gated[rows])
    arguments = (x, values_of(weight))
    assert_within_rule(together, linear, *arguments, magnitude=magnitude(*arguments), product_with=name)


@pytest.mark.parametrize("name", ["BF16", "Q4_K", "Q5_1", "NVFP4", "IQ3_S"])
@pytest.mark.parametrize(("tokens", "num_experts"), [(20, 7), (150, 2)])
def test_experts(gpu, name, tokens, num_experts):
    """Each slot is the product with its expert's matrix. With few multiprocessors a block computes many tiles, of
    several experts."""
    gpu.set_num_multiprocessors(2)
    device.use("cuda", device.activations)
    x, routing = draw(tokens, 256), route(tokens, num_experts, 2)
    weight = stored(name, num_experts, 140, 256)
    got = in_any_order(gpu, lambda: _ops.expert_linear(x, weight, routing))
    gated = in_any_order(gpu, lambda: _ops.expert_gated_linear(x / 4, weight, None, None, routing))
    matrices = np.split(weight[2], num_experts)
    for expert, data in enumerate(matrices):
        slots = slice(*routing.expert_offsets[expert : expert + 2])
        rows = x[routing.token_of_slot[slots]]
        gate, up = ((name, [70, 256], half) for half in np.split(data, 2))
        assert_same_bits(got[slots], _ops.linear(rows, (name, [140, 256], data)))
        assert_same_bits(gated[slots], _ops.gated_linear(rows / 4, gate, up))
