"""A query's attention must not depend on two things that only GPUs have. One is the number of queries that share a
block, which follows from the number of multiprocessors. The other is the order in which a block's threads run."""

import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference.stored import vector
from reference.tolerance import assert_same_bits

# num_heads, num_key_value_heads, head_dim, num_rotated. Heads of one slice, of two slices, and of two with shared
# values.
SHAPES = [(6, 2, 20, 10), (4, 2, 256, 128), (8, 1, 512, 64)]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture
def on(emulator, request):
    """A function on(num_multiprocessors, seed): after the call, ops run on such a GPU."""

    def use(num_multiprocessors, seed=1):
        emulator.set_num_multiprocessors(num_multiprocessors)
        emulator.set_seed(seed)
        device.use("cuda", request.config.getoption("--activations"))

    yield use
    emulator.reset_settings()
    device.use("cuda", request.config.getoption("--activations"))


def run_layer(num_heads, num_key_value_heads, head_dim, num_rotated, causal):
    """Attention for rows 30 to 69 of a text of 70 tokens, through qk_norm_rope and attention."""
    n, begin = 70, 30
    q, k = draw(n, num_heads * head_dim), draw(n, num_key_value_heads * head_dim, seed=1)
    norms = [vector(0.3 * weight) for weight in draw(2, head_dim, seed=2)]
    inv_freq = np.where(np.arange(head_dim // 2) < num_rotated, np.float32(0.1), np.float32(0))
    layout = {"num_rotated": num_rotated, "is_shared": True}
    q, keys, values = _ops.qk_norm_rope(q, k, k, *norms, 1e-6, inv_freq, [(0, n, 0)], **layout)
    keys, values = (x.reshape(n, num_key_value_heads, -1) for x in (keys, values))
    where = {"num_rows": n - begin, "first_position": begin}
    if causal:
        sequence = _ops.AttentionSequence(cached_keys=keys, cached_values=values, **where)
    else:
        cached = {"cached_keys": keys[:begin], "cached_values": values[:begin]}
        sequence = _ops.AttentionSequence(own_keys=keys[begin:], own_values=values[begin:], **cached, **where)
    out = _ops.attention(
        q[begin:], num_key_value_heads, head_dim, causal=causal, window=9 * causal, sequences=[sequence], **layout
    )
    return q, keys, values, out


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("causal", [True, False])
def test_same_bits(on, shape, causal):
    on(1)
    expected = run_layer(*shape, causal)
    for num_multiprocessors, seed in ((1000, 1), (1000, 2), (1, 3)):
        on(num_multiprocessors, seed)
        for a, b in zip(expected, run_layer(*shape, causal), strict=True):
            assert_same_bits(a, b)
