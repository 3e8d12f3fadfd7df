"""The tolerances hold where matrix units truncate sums as real ones do: 24 or 25 bits behind the leading one of the
largest product, rounded toward zero. The sums here are as long as those of the model, and errors toward zero add up.
`pytest --truncated-sums` runs any test of an op so."""

import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference.attention import attention, canvas_mask
from reference.expert_linear import expert_linear
from reference.linear import linear, magnitude
from reference.stored import random_weight, values_of
from reference.tolerance import assert_within_rule

COLUMNS = 2816
HEAD_DIM = 256


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stored(name, *shape):
    return random_weight(np.random.default_rng(9), name, shape)


@pytest.fixture(params=[86, 90, 120])
def gpu(emulator, request, activations):
    emulator.set_architecture(request.param)
    emulator.set_truncated_sums(True)
    device.use("cuda", activations)
    yield emulator
    emulator.reset_settings()
    device.use("cuda", activations)


@pytest.mark.parametrize("name", ["F32", "BF16", "Q4_K", "NVFP4"])
def test_linear(gpu, name):
    x, weight = draw(9, COLUMNS), stored(name, 40, COLUMNS)
    got, arguments = _ops.linear(x, weight), (x, values_of(weight))
    assert_within_rule(got, linear, *arguments, magnitude=magnitude(*arguments), product_with=name)
    if device.activations == "bf16" or name in ("F32", "BF16"):  # others add integers, which is exact
        gpu.set_truncated_sums(False)
        assert (got != _ops.linear(x, weight)).any()


def test_expert_linear(gpu):
    x, weight = draw(9, COLUMNS), stored("Q4_K", 4, 20, COLUMNS)
    routing = _ops.route(draw(9, 4, seed=3), ("F32", [4], np.ones(4, np.float32).view(np.uint8)), 2)
    experts = np.repeat(np.arange(4), np.diff(routing.expert_offsets))
    values, where = values_of(weight), (experts, routing.token_of_slot, np.ones(4, np.float32))
    got = _ops.expert_linear(x, weight, routing, by_slot=False)
    size = np.sqrt(expert_linear(x**2, values**2, *where).max(axis=1))
    assert_within_rule(got, expert_linear, x, values, *where, magnitude=size, product_with="Q4_K")


def test_attention(gpu):
    """Sums over 256 dims, and over 300 keys."""
    q, (keys, values) = draw(300, 1, HEAD_DIM) / 6, draw(2, 300, 1, HEAD_DIM, seed=1)
    sequence = _ops.AttentionSequence(num_rows=300, first_position=0, own_keys=keys, own_values=values)
    got = _ops.attention(q.reshape(300, HEAD_DIM), 1, HEAD_DIM, causal=False, window=0, sequences=[sequence])

    def by_head(q, keys, values, mask):
        return attention(q, keys, values, mask).reshape(got.shape)

    arguments = (q, keys, values, canvas_mask(0, 300))
    size = by_head(*arguments[:2], np.abs(values), arguments[3]).max(axis=1)
    assert_within_rule(got, by_head, *arguments, magnitude=size, product_with="F32")
