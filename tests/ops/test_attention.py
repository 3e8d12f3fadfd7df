from itertools import pairwise

import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference import qk_norm_rope as rope_oracle
from reference.attention import attention, canvas_mask, causal_mask
from reference.stored import random_weight, vector
from reference.tolerance import assert_same_bits, assert_thread_independent, assert_within_rule

HEADS, KV_HEADS, HEAD_DIM = 4, 2, 8


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Tokens:
    """Queries, keys and values of the positions 0 to n - 1."""

    def __init__(self, n, num_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=HEAD_DIM, seed=0):
        self.q = draw(n, num_heads, head_dim, seed=seed)
        self.keys, self.values = draw(2, n, num_key_value_heads, head_dim, seed=seed + 1)

    def causal(self, begin, end, cached_begin=0, cached_end=None, first_row=0):
        """A causal sequence: the rows begin to end - 1 over the cached keys cached_begin to cached_end - 1."""
        cached = slice(cached_begin, end if cached_end is None else cached_end)
        return _ops.AttentionSequence(
            first_row=first_row,
            num_rows=end - begin,
            first_position=begin,
            cached_begin=cached_begin,
            cached_keys=self.keys[cached],
            cached_values=self.values[cached],
        )

    def canvas(self, begin, end, cached_begin=0, first_row=0):
        """A canvas: the rows begin to end - 1 with their own keys, which lie behind the cached keys cached_begin to
        begin - 1."""
        return _ops.AttentionSequence(
            first_row=first_row,
            num_rows=end - begin,
            first_position=begin,
            cached_begin=cached_begin,
            cached_keys=self.keys[cached_begin:begin] if begin > cached_begin else None,
            cached_values=self.values[cached_begin:begin] if begin > cached_begin else None,
            own_keys=self.keys[begin:end],
            own_values=self.values[begin:end],
        )

    def check(self, got, rows, num_keys, mask):
        q, keys, values = self.q[rows], self.keys[:num_keys], self.values[:num_keys]
        got = got.reshape(-1, q.shape[2])  # assert_within_rule compares each head as a row of its own

        def by_head(q, keys, values, mask):
            return attention(q, keys, values, mask).reshape(got.shape)

        magnitude = by_head(q, keys, np.abs(values), mask).max(axis=1)
        assert_within_rule(got, by_head, q, keys, values, mask, magnitude=magnitude, product_with="F32")


def run(q, sequences, causal, window=0, num_key_value_heads=KV_HEADS, **options):
    return _ops.attention(
        q.reshape(len(q), q.shape[1] * q.shape[2]),
        num_key_value_heads,
        q.shape[2],
        causal=causal,
        window=window,
        sequences=sequences,
        **options,
    )


# Tests of causal attention.


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 130])  # blocks of 64 keys
@pytest.mark.parametrize("window", [0, 1, 2, 5, 64, 65, 1000])
def test_causal(n, window):
    tokens = Tokens(n)
    got = run(tokens.q, [tokens.causal(0, n)], causal=True, window=window)
    tokens.check(got, slice(0, n), n, causal_mask(np.arange(n), n, window))


@pytest.mark.parametrize(
    ("num_heads", "num_key_value_heads", "head_dim"),
    [(1, 1, 1), (3, 3, 15), (6, 2, 17), (8, 1, 33), (70, 1, 8)]
    + [(3, 1, head_dim) for head_dim in (64, 65, 128, 129, 256, 257, 512)],  # sizes that kernels pad to, and one more
)
def test_heads(num_heads, num_key_value_heads, head_dim):
    tokens = Tokens(20, num_heads, num_key_value_heads, head_dim)
    got = run(tokens.q, [tokens.causal(0, 20)], True, 7, num_key_value_heads)
    tokens.check(got, slice(0, 20), 20, causal_mask(np.arange(20), 20, 7))
    got = run(tokens.q[13:], [tokens.canvas(13, 20, 2)], False, 0, num_key_value_heads)
    tokens.check(got, slice(13, 20), 20, np.broadcast_to(np.arange(20) >= 2, (7, 20)))


@pytest.mark.parametrize("rows", [1, 5, 15, 16, 17, 47, 48, 49, 95, 97, 191, 193])  # around 16, 48, 192 lanes
@pytest.mark.parametrize("group", [1, 3])
def test_numbers_of_queries(rows, group):
    """Each row's bits are those of the row alone. The last queries may share registers with copies of a query."""
    tokens = Tokens(rows + 70, group, 1, 12)
    q = tokens.q[70:]
    for sequence, causal, window in (
        (tokens.causal(70, rows + 70), True, 66),
        (tokens.canvas(70, rows + 70, 3), False, 0),
    ):
        got = run(q, [sequence], causal, window, 1)
        mask = causal_mask(np.arange(70, rows + 70), rows + 70, 66)
        tokens.check(
            got, slice(70, None), rows + 70, mask if causal else np.broadcast_to(np.arange(rows + 70) >= 3, mask.shape)
        )
    for i in (0, rows // 2, rows - 1):
        whole = run(q, [tokens.causal(70, rows + 70)], True, 66, 1)
        alone = run(q[i : i + 1], [tokens.causal(70 + i, 71 + i)], True, 66, 1)
        assert_same_bits(alone, whole[i : i + 1])


@pytest.mark.parametrize("causal", [True, False])
def test_long_context(causal):
    """The scores of 16500 keys are close to each other, so a result is a sum of many small terms."""
    n, rows = 16_500, 7
    tokens = Tokens(n, 2, 1, 24)
    tokens.q *= np.float32(0.2)
    first = n - rows
    sequence = tokens.causal(first, n) if causal else tokens.canvas(first, n)
    mask = causal_mask(np.arange(first, n), n) if causal else np.ones((rows, n), bool)
    tokens.check(run(tokens.q[first:], [sequence], causal, 0, 1), slice(first, n), n, mask)


def test_keys_that_a_row_does_not_see_weigh_nothing():
    """Keys that a row does not see change nothing, however large they are. Rows of one tile see different keys of a
    block."""
    tokens = Tokens(40)
    expected = run(tokens.q[:30], [tokens.causal(0, 30)], True, 9)
    tokens.keys[30:] *= 1e4
    tokens.values[30:] = 1e30
    assert_same_bits(run(tokens.q, [tokens.causal(0, 40)], True, 9)[:30], expected)


@pytest.mark.parametrize(("num_key_value_heads", "head_dim", "window"), [(8, 256, 64), (2, 512, 0)])
def test_layers_of_the_model(num_key_value_heads, head_dim, window):
    """Normed queries and keys give scores up to head_dim. So nearly all weight is on one key."""
    tokens = Tokens(100, 16, num_key_value_heads, head_dim)
    got = run(tokens.q[90:], [tokens.causal(90, 100)], True, window, num_key_value_heads)
    tokens.check(got, slice(90, 100), 100, causal_mask(np.arange(90, 100), 100, window))


def test_window_edges():
    """Values are one-hot vectors, so a row's output is its weights. They show which keys the row sees."""
    n, window = 12, 4
    q, keys = np.zeros((n, 1, n), np.float32), np.zeros((n, 1, n), np.float32)
    values = np.eye(n, dtype=np.float32)[:, None, :]
    sequence = _ops.AttentionSequence(num_rows=n, first_position=0, cached_keys=keys, cached_values=values)
    weights = run(q, [sequence], True, window, num_key_value_heads=1)
    for i in range(n):
        seen = list(range(max(0, i - window + 1), i + 1))
        assert np.flatnonzero(weights[i]).tolist() == seen
        np.testing.assert_allclose(weights[i, seen], 1 / len(seen), rtol=1e-6)


@pytest.mark.parametrize("window", [0, 3, 50, 64, 100])
def test_chunk_cuts(window):
    """A row's bits do not depend on how the prompt was cut, on a longer cache, or on keys that are no longer kept."""
    n = 200
    tokens = Tokens(n)
    whole = run(tokens.q, [tokens.causal(0, n)], True, window)
    for cuts in ([0, 1, 200], [0, 63, 64, 65, 128, 200], [0, 100, 130, 131, 199, 200]):
        for begin, end in pairwise(cuts):
            keep_from = max(0, begin - window + 1) if window else 0
            for sequence in (tokens.causal(begin, end), tokens.causal(begin, end, keep_from, n)):
                assert_same_bits(run(tokens.q[begin:end], [sequence], True, window), whole[begin:end])


@pytest.mark.parametrize("size", [0.0, 1e-3, 30.0])
def test_score_sizes(size):
    """Equal scores give an average, and scores of thousands do not overflow. The maximum moves from block to block."""
    tokens = Tokens(150)
    tokens.q *= np.float32(size)
    tokens.keys *= np.linspace(0.1, 3, 150, dtype=np.float32)[:, None, None]
    got = run(tokens.q, [tokens.causal(0, 150)], True)
    assert np.isfinite(got).all()
    tokens.check(got, slice(0, 150), 150, causal_mask(np.arange(150), 150))


# Tests of attention for a canvas.


@pytest.mark.parametrize("prefix", [0, 1, 5, 6, 7, 63, 64, 65, 100])
@pytest.mark.parametrize("canvas", [1, 7, 64])
@pytest.mark.parametrize("window", [0, 1, 2, 7])
def test_canvas(prefix, canvas, window):
    """Every row sees the whole canvas and the same part of the prefix."""
    tokens = Tokens(prefix + canvas)
    begin = max(0, prefix - (window - 1)) if window else 0
    got = run(tokens.q[prefix:], [tokens.canvas(prefix, prefix + canvas, begin)], causal=False, window=window)
    tokens.check(got, slice(prefix, None), prefix + canvas, canvas_mask(prefix, canvas, window))


def test_canvas_rectangle():
    """Values are one-hot vectors. All rows give weight to the same columns: the window of the last row hides
    nothing."""
    prefix, canvas, window = 9, 6, 4
    n = prefix + canvas
    tokens = Tokens(n, 1, 1, n)
    tokens.q[:] = 0
    tokens.values[:] = np.eye(n, dtype=np.float32)[:, None, :]
    sequence = tokens.canvas(prefix, n, prefix - window + 1)
    weights = run(tokens.q[prefix:], [sequence], False, window, num_key_value_heads=1)
    expected = np.zeros((canvas, n))
    expected[:, prefix - window + 1 :] = 1 / (canvas + window - 1)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


# Tests of both kinds.


def as_kept(x):
    """Queries, keys or values as the device under test keeps them between the two ops. Values of float64 stay exact."""
    return device.round_operand(x, "F32") if x.dtype == np.float32 else x


def attention_of_projections(q, k, q_norm, k_norm, inv_freq, mask):
    """The attention [R * H, K] of a layer whose values are the projection of the keys."""
    positions, head_dim = np.arange(len(q)), len(q_norm)
    q, keys = (
        rope_oracle.normed_and_rotated(x, weight, 1e-6, positions, inv_freq) for x, weight in ((q, q_norm), (k, k_norm))
    )
    values = rope_oracle.normed(k, 1e-6, head_dim)
    q, keys, values = (as_kept(x).reshape(len(x), -1, head_dim) for x in (q, keys, values))
    return attention(q, keys, values, mask).reshape(-1, head_dim)


@pytest.mark.parametrize(
    ("num_heads", "num_key_value_heads", "head_dim", "partial"),
    [(16, 2, 512, 0.25), (4, 2, 64, 0.5), (3, 1, 96, 2 / 3), (4, 2, 256, 0.125), (4, 2, 64, 0.25), (2, 2, 64, 1.0)],
)
@pytest.mark.parametrize("causal", [True, False])
def test_shared_values(num_heads, num_key_value_heads, head_dim, partial, causal):
    """The values are the projection of the keys. A device may store one copy for both, except a part of the keys. This
    goes through qk_norm_rope and attention."""
    n, prefix = 40, 21
    q, k = draw(n, num_heads * head_dim), draw(n, num_key_value_heads * head_dim, seed=1)
    q_norm, k_norm = 0.3 * draw(2, head_dim, seed=2)  # makes scores of a size at which many keys count
    inv_freq = rope_oracle.inverse_frequencies(1e4, head_dim, partial)
    layout = {"num_rotated": int(np.count_nonzero(inv_freq)), "is_shared": True}
    new_q, keys, values = _ops.qk_norm_rope(
        q, k, k, vector(q_norm), vector(k_norm), 1e-6, inv_freq, [(0, n, 0)], **layout
    )
    tokens = Tokens(0)
    tokens.keys, tokens.values = (x.reshape(n, num_key_value_heads, -1) for x in (keys, values))
    begin, mask = (0, causal_mask(np.arange(n), n)) if causal else (prefix, np.ones((n, n), bool))
    sequence = tokens.causal(0, n) if causal else tokens.canvas(prefix, n)
    new_q = new_q.reshape(n, num_heads, head_dim)[begin:]
    got = run(new_q, [sequence], causal, 0, num_key_value_heads, **layout).reshape(-1, head_dim)

    def formula(*arguments):
        return attention_of_projections(*arguments, mask)[begin * num_heads :]

    assert_within_rule(got, formula, q, k, q_norm, k_norm, inv_freq)


@pytest.mark.parametrize("causal", [True, False])
def test_sequences(causal):
    """The sequences of a batch do not see each other. Rows that belong to no sequence are not written."""
    a, b = Tokens(40, seed=1), Tokens(90, seed=2)
    q = np.concatenate([b.q[70:90], draw(2, HEADS, HEAD_DIM), a.q[33:40]])
    if causal:
        sequences = [b.causal(70, 90, first_row=0), a.causal(33, 40, first_row=22)]
        alone = [b.causal(70, 90)], [a.causal(33, 40)]
    else:
        sequences = [b.canvas(70, 90, first_row=0), a.canvas(33, 40, first_row=22)]
        alone = [b.canvas(70, 90)], [a.canvas(33, 40)]
    together = run(q, sequences, causal, 50)
    assert_same_bits(together[:20], run(b.q[70:90], alone[0], causal, 50))
    assert_same_bits(together[22:], run(a.q[33:40], alone[1], causal, 50))
    assert np.isnan(together[20:22]).all()


@pytest.mark.parametrize("causal", [True, False])
def test_no_rows(causal):
    tokens = Tokens(5)
    assert run(tokens.q[:0], [], causal).shape == (0, HEADS * HEAD_DIM)
    empty = tokens.causal(5, 5) if causal else tokens.canvas(5, 5)
    assert run(tokens.q[:0], [empty], causal).shape == (0, HEADS * HEAD_DIM)


@pytest.mark.parametrize("causal", [True, False])
def test_threads(causal):
    tokens = Tokens(400, 8, 2, 128)
    sequences = [tokens.causal(200, 400) if causal else tokens.canvas(200, 400)]
    assert_thread_independent(run, tokens.q[200:], sequences, causal, 300)


def test_refuses():
    tokens = Tokens(10)

    def refuses(message, q, sequences, causal=True):
        with pytest.raises(ValueError, match="attention: " + message):
            run(q, sequences, causal)

    refuses("q has 24 columns, no multiple of 2 kv heads", draw(10, 3, 8), [])
    refuses(r"sequence rows 1 \+ 10 outside the 10 rows given", tokens.q, [tokens.causal(0, 10, first_row=1)])
    refuses(r"sequence rows -1 \+ 10 outside the 10 rows given", tokens.q, [tokens.causal(0, 10, first_row=-1)])
    refuses("expected cached keys up to position 10 and no own keys", tokens.q, [tokens.causal(0, 10, cached_end=9)])
    refuses("expected cached keys up to position 0 and own keys", tokens.q, [tokens.causal(0, 10)], causal=False)


def test_widest_head():
    if device.is_cpu():
        pytest.skip("only kernels have a widest head")
    tokens = Tokens(2, 1, 1, 520)
    with pytest.raises(ValueError, match="attention: on a GPU head_dim is at most 512, got 520"):
        run(tokens.q, [tokens.causal(0, 2)], True, num_key_value_heads=1)


@pytest.mark.parametrize("name", ["Q8_0", "F32", "NVFP4"])
@pytest.mark.parametrize("head_dim", [32, 64, 128, 256, 512, 40])  # heads of 40 dims are rounded behind the kernel
@pytest.mark.parametrize("rows", [1, 20])
def test_rounded_for_the_next_product(rows, head_dim, name):
    """A result that is rounded at once for the next product gives the bits of one that is stored as float32 first."""
    tokens = Tokens(rows, num_heads=8, head_dim=head_dim)
    output = random_weight(np.random.default_rng(9), name, (19, 8 * head_dim))
    attended = run(tokens.q, [tokens.causal(0, rows)], causal=True)
    got = run(tokens.q, [tokens.causal(0, rows)], causal=True, output=output)
    assert_same_bits(got, _ops.linear(attended, output))
