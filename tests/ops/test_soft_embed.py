import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference.soft_embed import magnitude, soft_embed, weighted_mean, weights
from reference.stored import COLUMNS, as_stored, random_weight, values_of
from reference.tolerance import assert_rows_independent, assert_same_bits, assert_thread_independent, assert_within_rule

SCALE = 2816**0.5
CHUNK = 4096  # the CPU takes so many tokens at a time
SHARES = [0.0, 2.0**-24, 2.0**-12, 2.0**-8, 2.0**-6]  # of a row's weights, which the CPU may leave out


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stored(name, *shape):
    return random_weight(np.random.default_rng(9), name, shape)


def check(logits, table, scale=SCALE):
    arguments = (logits, values_of(table), scale)
    got, size = _ops.soft_embed(logits, table, scale), magnitude(*arguments)
    if device.is_cpu():
        return assert_within_rule(got, soft_embed, *arguments, magnitude=size)
    operands = (weights(logits.astype(np.float64)), values_of(table))
    return assert_within_rule(got, weighted_mean, *operands, scale, magnitude=size, product_with="F32")


@pytest.mark.parametrize(("name", "columns"), COLUMNS)
def test_formats(name, columns):
    check(draw(3, 70), stored(name, 70, columns))


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("vocab_size", [1, 2, 63, 64, 65, 128, 130])  # around tiles of 64 table rows
def test_tiles(rows, vocab_size):
    check(3 * draw(rows, vocab_size), stored("F32", vocab_size, 20))


@pytest.mark.parametrize("size", [0.0, 1.0, 20.0])
def test_sizes_of_the_model(size):
    """Distributions from uniform, where every term counts, to one nearly certain token."""
    check(np.float32(size) * draw(4, 20000), stored("BF16", 20000, 64))


def test_tiny_terms_add_up():
    """The first token weighs 1. The other 100000 weigh 1e-5 each, less than 100 units of the last place of 1, and
    together 1."""
    logits = np.full((1, 100001), -np.log(100000), np.float32)
    logits[0, 0] = 0
    check(logits, as_stored("F32", np.ones((100001, 1))), 1.0)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("size", [0.0, 0.5, 1.0, 3.0, 10.0, 30.0])
@pytest.mark.parametrize("vocab_size", [1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 10 * CHUNK + 17])
def test_left_out_weights(vocab_size, size, share):
    """With a table of ones the result is the share of the weights that are not left out. It must be nearly 1 and never
    more."""
    if not device.is_cpu():
        return
    logits = np.float32(size) * np.stack([draw(vocab_size), np.sort(draw(vocab_size)), -np.sort(-draw(vocab_size))])
    table = as_stored("F32", np.ones((vocab_size, 1)))
    kept = _ops.soft_embed(logits, table, 1.0, left_out_share=share).astype(np.float64)
    assert (kept <= 1 + 1e-6).all() and (kept >= 1 - share - 1e-6).all()
    if share >= 2.0**-12 and size in (3.0, 10.0) and vocab_size > CHUNK:
        assert kept[0] < 1 - share / 8  # some weights are left out


def test_left_out_weights_change_little():
    """On a GPU, which leaves out nothing, they change nothing."""
    logits, table = 3 * draw(2, 600), stored("BF16", 600, 64)
    exact, *others = (_ops.soft_embed(logits, table, SCALE, left_out_share=share) for share in SHARES)
    largest = np.abs(values_of(table)).max() * SCALE
    for share, got in zip(SHARES[1:], others, strict=True):
        if device.is_cpu():
            assert (np.abs(got - exact) <= (share + 1e-6) * largest).all()
        else:
            assert_same_bits(got, exact)
    assert not device.is_cpu() or (others[-1] != exact).any()


@pytest.mark.parametrize("columns", [1, 15, 16, 17, 127, 128, 129, 255, 256, 257, 300])  # around slices and registers
def test_columns(columns):
    check(3 * draw(3, 70), stored("F16", 70, columns))


@pytest.mark.parametrize("vocab_size", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3])
def test_chunks(vocab_size):
    """The largest logit is in each part of the vocabulary in turn."""
    logits = 3 * draw(5, vocab_size)
    logits[np.arange(5), np.linspace(0, vocab_size - 1, 5).astype(int)] += 10
    check(logits, stored("Q8_0", vocab_size, 32))


def test_minus_infinity():
    """Tokens with a logit of -infinity have no weight, even where the table holds NaN for them."""
    logits, values = draw(4, 100), draw(100, 17, seed=1)
    out = np.random.default_rng(2).random(100) < 0.7
    out[:64] = True  # a whole tile
    logits[:3, out] = -np.inf
    logits[3] = -np.inf
    logits[3, 99] = 5
    check(logits, as_stored("F32", values))
    if not device.is_cpu():
        return  # a GPU multiplies every row of the table, so all must be finite
    values[:64] = np.nan
    assert np.isfinite(_ops.soft_embed(logits, as_stored("F32", values), SCALE)).all()


def test_one_certain_token():
    logits = np.full((2, 65), -np.inf, np.float32)
    logits[0, 64], logits[1, 0] = 3, -1e30
    table = draw(65, 8)
    expected = table if device.is_cpu() else device.round_operand(table, "F32")
    assert_same_bits(_ops.soft_embed(logits, as_stored("F32", table), 1.0), expected[[64, 0]])


@pytest.mark.parametrize("shift", [-1e4, 500.0])
def test_large_logits(shift):
    check(draw(3, 70) + np.float32(shift), stored("F32", 70, 8))


def test_no_rows():
    assert _ops.soft_embed(draw(0, 5), stored("F32", 5, 8), 1.0).shape == (0, 8)


def test_calls_of_many_sizes():
    """Scratch memory is kept from an earlier call, which may have been larger or smaller."""
    for rows, columns in [(2, 8), (9, 200), (1, 3), (5, 300), (12, 300)]:
        check(draw(rows, 66), stored("F32", 66, columns))


def test_threads_and_rows():
    logits, table = 3 * draw(64, 640), stored("Q4_K", 640, 1024)
    assert_thread_independent(_ops.soft_embed, logits, table, SCALE)
    assert_rows_independent(lambda rows: _ops.soft_embed(logits[rows], table, SCALE), 4)


def test_company_of_other_tokens():
    """The tokens that other rows keep decide where tiles begin, but change no result."""
    logits = np.float32([[0.1], [1], [3], [10], [30]]) * draw(5, 2 * CHUNK + 3)
    table = stored("Q8_0", logits.shape[1], 288 if device.is_cpu() else 160)  # on a GPU tiles have 128 columns
    assert_thread_independent(_ops.soft_embed, logits, table, SCALE)
    assert_rows_independent(lambda rows: _ops.soft_embed(logits[rows], table, SCALE), 5)


def test_refuses():
    for share in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="soft_embed: left_out_share must be from 0 to 1, got"):
            _ops.soft_embed(draw(1, 5), stored("F32", 5, 8), 1.0, left_out_share=share)
    with pytest.raises(ValueError, match="soft_embed: logits: expected 5 columns, got 4"):
        _ops.soft_embed(draw(3, 4), stored("F32", 5, 8), 1.0)
    with pytest.raises(ValueError, match=r"soft_embed: table: expected rank 2, got \[5\]"):
        _ops.soft_embed(draw(3, 5), stored("F32", 5), 1.0)
    with pytest.raises(ValueError, match="soft_embed: table: cannot compute with type Q8_1"):
        _ops.soft_embed(draw(3, 1), ("Q8_1", [1, 32], np.zeros(36, np.uint8)), 1.0)
