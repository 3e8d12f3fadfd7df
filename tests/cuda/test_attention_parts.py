"""On a GPU that a canvas would not fill, two or four blocks share the keys of a tile of queries. A query's attention
must be right then. It must not depend on which block is done first, on the order in which a block's threads run, or on
the queries beside it."""

from functools import cache

import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference.attention import attention, canvas_mask, causal_mask
from reference.stored import vector
from reference.tolerance import assert_same_bits, assert_within_rule

# num_heads, num_key_value_heads, head_dim, num_rotated. Heads of one slice, of two slices, and of two with shared
# values.
SHAPES = [(6, 2, 20, 10), (4, 2, 256, 128), (8, 1, 512, 64)]
# 0: there is one part. With mma: of so many steps the last belongs to the second part. With wgmma: there are so many.
PERIODS = {86: [0, 2, 5], 90: [0, 2, 4]}
SHARED_BYTES = {86: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024}
TOKENS, BEGIN = 100, 30  # of a text; where the rows begin that ask for attention


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@cache
def multiprocessors(architecture, period, num_heads, num_key_value_heads, head_dim, num_rotated=0):
    """How many a GPU has that cuts the keys like this."""
    kind = {"has_one_copy": 0 < 2 * num_rotated < head_dim, "num_rotated": num_rotated}

    def period_of(n):
        card = (architecture, n, SHARED_BYTES[architecture])
        return _ops.plan_attention(card, head_dim, num_heads, num_key_value_heads, 1, **kind)["sums"][-1]

    return next(n for n in range(1, 1000) if period_of(n) == period)


@pytest.fixture
def on(emulator, request):
    """A function on(period, shape, seed, architecture): after the call, ops run on a GPU that cuts the keys like
    this."""

    def use(period, shape, seed=1, architecture=90):
        emulator.set_architecture(architecture)
        emulator.set_num_multiprocessors(multiprocessors(architecture, period, *shape))
        emulator.set_seed(seed)
        device.use("cuda", request.config.getoption("--activations"))

    yield use
    emulator.reset_settings()
    device.use("cuda", request.config.getoption("--activations"))


def run_layer(shape, causal, begin=BEGIN, end=TOKENS, others=0):
    """Attention for some rows of a text, through qk_norm_rope and attention. The rows of a canvas come in a batch with
    as many other canvases as asked for, of one row each."""
    num_heads, num_key_value_heads, head_dim, num_rotated = shape
    q, k = draw(TOKENS, num_heads * head_dim), draw(TOKENS, num_key_value_heads * head_dim, seed=1)
    norms = [vector(0.3 * weight) for weight in draw(2, head_dim, seed=2)]
    inv_freq = np.where(np.arange(head_dim // 2) < num_rotated, np.float32(0.1), np.float32(0))
    layout = {"num_rotated": num_rotated, "is_shared": True}
    q, keys, values = _ops.qk_norm_rope(q, k, k, *norms, 1e-6, inv_freq, [(0, TOKENS, 0)], **layout)
    keys, values = (x.reshape(TOKENS, num_key_value_heads, -1) for x in (keys, values))

    def sequence(begin, end, first_row):
        where = {"num_rows": end - begin, "first_position": begin, "first_row": first_row}
        if causal:
            return _ops.AttentionSequence(cached_keys=keys[:end], cached_values=values[:end], **where)
        cached = {"cached_keys": keys[:begin], "cached_values": values[:begin]}
        return _ops.AttentionSequence(own_keys=keys[begin:end], own_values=values[begin:end], **cached, **where)

    sequences = [sequence(begin, end, 0), *(sequence(7, 8, end - begin + i) for i in range(others))]
    rows = np.concatenate([q[begin:end], *[q[7:8]] * others])
    out = _ops.attention(
        rows, num_key_value_heads, head_dim, causal=causal, window=9 * causal, sequences=sequences, **layout
    )
    return q, keys, values, out[: end - begin]


# With mma, and with wgmma for the heads of the model.
CASES = [(86, period, shape) for period in PERIODS[86] for shape in SHAPES]
CASES += [(90, period, shape) for period in PERIODS[90] for shape in SHAPES[1:]]


@pytest.mark.parametrize(("architecture", "period", "shape"), CASES)
@pytest.mark.parametrize("causal", [True, False])
def test_same_bits(on, architecture, period, shape, causal):
    """Under any order of blocks and threads, and alone or among others."""
    on(period, shape, architecture=architecture)
    expected = run_layer(shape, causal)
    for seed in (2, 3):
        on(period, shape, seed, architecture)
        for a, b in zip(expected, run_layer(shape, causal), strict=True):
            assert_same_bits(a, b)
    out = expected[-1]
    if causal:
        assert_same_bits(run_layer(shape, causal, 60, 61)[-1], out[60 - BEGIN : 61 - BEGIN])
    else:
        assert_same_bits(run_layer(shape, causal, others=3)[-1], out)


@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("period", [2, 4])
@pytest.mark.parametrize("causal", [True, False])
def test_parts_of_warpgroups(on, shape, period, causal):
    """Parts give what one part gives, but for the rounding of weights to bf16. A part that is left out changes much
    more."""
    on(0, shape)
    *_, one = run_layer(shape, causal)
    on(period, shape)
    *_, parts = run_layer(shape, causal)
    assert (parts != one).any()
    np.testing.assert_allclose(parts, one, rtol=0, atol=0.02 * np.abs(one).max())


# Steps of 32 and of 64 keys, of 256 dims. Those with wgmma are of 32 keys.
WHOLE = [(86, 5, (6, 2, 20)), (86, 5, (2, 1, 256)), (86, 5, (4, 1, 512))]
WHOLE += [
    (100, 2, (6, 2, 20)),
    (100, 2, (2, 1, 256)),
    (100, 2, (4, 1, 512)),
    (90, 2, (2, 1, 256)),
    (90, 4, (2, 1, 256)),
]


@pytest.mark.parametrize("window", [0, 9, 50])  # with 9, many queries see keys of one part alone
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("architecture", "period", "shape"), WHOLE)
def test_parts_of_whole_keys(on, architecture, period, shape, window, causal):
    on(period, shape, architecture=architecture)
    num_heads, num_key_value_heads, head_dim = shape
    first = max(0, BEGIN - window + 1) if window and not causal else 0
    q = 0.3 * draw(TOKENS - BEGIN, num_heads, head_dim)
    keys, values = draw(2, TOKENS, num_key_value_heads, head_dim, seed=1)
    keys *= np.linspace(0.1, 2, TOKENS, dtype=np.float32)[:, None, None]  # so that the maximum moves
    where = {"num_rows": TOKENS - BEGIN, "first_position": BEGIN, "cached_begin": first}
    cached = slice(first, TOKENS if causal else BEGIN)
    own = {} if causal else {"own_keys": keys[BEGIN:], "own_values": values[BEGIN:]}
    sequence = _ops.AttentionSequence(cached_keys=keys[cached], cached_values=values[cached], **own, **where)
    got = _ops.attention(
        q.reshape(len(q), -1), num_key_value_heads, head_dim, causal=causal, window=window, sequences=[sequence]
    ).reshape(-1, head_dim)

    if causal:
        mask = causal_mask(np.arange(BEGIN, TOKENS), TOKENS, window)
    else:
        mask = canvas_mask(BEGIN, TOKENS - BEGIN, window)

    def by_head(q, keys, values, mask):
        return attention(q, keys, values, mask).reshape(got.shape)

    magnitude = by_head(q, keys, np.abs(values), mask).max(axis=1)
    assert_within_rule(got, by_head, q, keys, values, mask, magnitude=magnitude, product_with="F32")
