import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference.head_stats import head_entropy, processed_logits, soft_embedding
from reference.philox import gumbel
from reference.stored import COLUMNS, as_stored, random_weight, values_of, vector
from reference.tolerance import assert_rows_independent, assert_same_bits, assert_thread_independent

CAP, EMBED_SCALE = 30.0, 53.0
CHUNK = 4096 if device.is_cpu() else 8192  # the op takes so many tokens at a time


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stored(name, *shape):
    return random_weight(np.random.default_rng(9), name, shape)


def keys(rows, seed=1, step=2):
    return [(seed, 100 + row, step) for row in range(rows)]


def temperatures(rows):
    """A different temperature for each row."""
    return np.linspace(0.4, 0.8, rows, dtype=np.float32)


def head_stats(x, head, table=None, cap=CAP, scale=None, rows=None, **options):
    """The op for all rows of x, or for some. Each row has its own key and temperature."""
    rows = range(len(x)) if rows is None else rows
    row_temperatures = [float(temperatures(len(x))[row]) for row in rows]
    row_keys = [keys(len(x))[row] for row in rows]
    return _ops.head_stats(x[rows], head, table, cap, EMBED_SCALE, row_temperatures, row_keys, scale, **options)


def one_by_one(x, head, table=None, cap=CAP, scale=None, num_top=None, **options):
    """The same result from separate ops: lm_head, token_stats, soft_embed."""
    logits = _ops.lm_head(x, head, cap, scale)
    rows = [
        _ops.token_stats(logits[[r]], temperature, [key], num_top=num_top)
        for r, (temperature, key) in enumerate(zip(temperatures(len(x)).tolist(), keys(len(x)), strict=True))
    ]
    z, entropy, argmax, sampled, *more = (np.concatenate(results) for results in zip(*rows, strict=True))
    return entropy, argmax, sampled, _ops.soft_embed(z, table or head, EMBED_SCALE, **options), *more


def check(x, head, table=None, cap=CAP, scale=None, **options):
    separate = one_by_one(x, head, table, cap, scale, **options)
    for got, wanted in zip(head_stats(x, head, table, cap, scale, **options), separate, strict=True):
        assert_same_bits(got, wanted)


@pytest.mark.parametrize(("name", "columns"), COLUMNS)
def test_formats(name, columns):
    """Head and table are the same matrix."""
    check(draw(3, columns), stored(name, 70, columns))


@pytest.mark.parametrize("vocab_size", [1, 2, 3, 31, 32, 33, 511, 512, 513, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_vocab_sizes(vocab_size):
    check(draw(2, 20), stored("F16", vocab_size, 20))


@pytest.mark.parametrize("rows", [1, 2, 16, 63, 65, 257])  # a block of a GPU takes 256 rows
@pytest.mark.parametrize("columns", [1, 127, 129])
def test_row_and_column_counts(rows, columns):
    check(draw(rows, columns), stored("BF16", 40, columns))


def test_sizes_of_the_model():
    check(draw(2, 2816) / 10, stored("Q8_0", 300, 2816))


@pytest.mark.parametrize("size", [0.0, 0.1, 1.0, 10.0])
def test_against_the_formulas(size):
    """Distributions from uniform to certain, over more than one chunk. Most of the error comes from the products in
    z."""
    x, head = np.float32(size) * draw(4, 24), stored("BF16", CHUNK + 100, 24)
    entropy, argmax, sampled, embedding = head_stats(x, head)
    rounded = [device.round_operand(operand, "BF16").astype(np.float64) for operand in (x, values_of(head))]
    z = processed_logits(*rounded, CAP, temperatures(4))
    noise = np.stack([gumbel(*key, head[1][0]) for key in keys(4)])
    exact = head_entropy(*rounded, CAP, temperatures(4))
    np.testing.assert_allclose(entropy, exact, rtol=1e-4, atol=1e-7)
    wanted = soft_embedding(*rounded, values_of(head), CAP, EMBED_SCALE, temperatures(4))
    tolerance = 1e-4 if device.is_cpu() else 4e-3
    np.testing.assert_allclose(embedding, wanted, atol=tolerance * EMBED_SCALE)
    rows = np.arange(4)
    assert (z[rows, argmax] >= z.max(axis=1) - 1e-4).all()
    assert ((z + noise)[rows, sampled] >= (z + noise).max(axis=1) - 1e-4).all()


@pytest.mark.parametrize("share", [0.0, 2.0**-12, 2.0**-6])
def test_left_out_share(share):
    check(draw(3, 20), stored("F16", 2 * CHUNK + 5, 20), left_out_share=share)


@pytest.mark.parametrize("num_top", [0, 1, 32])
@pytest.mark.parametrize("vocab_size", [5, CHUNK, 2 * CHUNK + 5])
def test_log_sum_and_top(vocab_size, num_top):
    """The chunks of the vocabulary give what whole rows give. x is so large that many logits are the cap."""
    check(np.float32([[1], [1000]]) * draw(2, 20), stored("F16", vocab_size, 20), num_top=num_top)


def test_a_table_of_its_own():
    check(draw(3, 32), stored("Q8_0", 77, 32), stored("F16", 77, 50))


def test_scale_and_cap():
    check(draw(3, 40), stored("F32", 9, 40), cap=2.0, scale=vector(2.5))


def test_broken_rows_stay_alone():
    """A row of NaN gives some id of the vocabulary and an entropy that is not confident. It does not affect other
    rows."""
    x, head = draw(4, 33), stored("F32", 50, 33)
    x[1], x[2, 5] = np.nan, np.inf
    entropy, argmax, sampled, embedding = head_stats(x, head)
    assert np.isnan(entropy[1]) and np.isnan(embedding[1]).all()
    assert ((argmax >= 0) & (argmax < 50) & (sampled >= 0) & (sampled < 50)).all()
    for row in (0, 3):
        alone = head_stats(x, head, rows=[row])
        for got, wanted in zip(alone, (entropy, argmax, sampled, embedding), strict=True):
            assert_same_bits(got, wanted[[row]])


def test_no_rows():
    entropy, argmax, sampled, embedding = head_stats(draw(0, 32), stored("Q4_0", 17, 32))
    assert entropy.shape == argmax.shape == sampled.shape == (0,)
    assert embedding.shape == (0, 32)


def test_threads_and_rows():
    x, head = draw(12, 256), stored("Q4_K", 2000, 256)
    assert_thread_independent(head_stats, x, head, num_top=8)
    assert_rows_independent(lambda rows: head_stats(x, head, rows=rows, num_top=8), 5)


def test_company_of_many_rows():
    """More rows than a GPU's tile of 256 and than a band of 512."""
    x, head = draw(520, 64), stored("Q8_0", 100, 64)
    together = head_stats(x, head, num_top=3)
    for rows in ([0], [255, 256], [511], [512, 519]):
        for whole, part in zip(together, head_stats(x, head, rows=rows, num_top=3), strict=True):
            assert_same_bits(part, whole[rows])


def test_refuses():
    x, head = draw(2, 32), stored("F32", 5, 32)

    def call(x=x, head=head, table=None, cap=CAP, temperatures=(0.5, 0.5), scale=None):
        _ops.head_stats(x, head, table, cap, 1.0, list(temperatures), keys(len(temperatures)), scale)

    for share in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="head_stats: left_out_share must be from 0 to 1, got"):
            head_stats(x, head, left_out_share=share)
    with pytest.raises(ValueError, match="head_stats: cap must be positive, got 0"):
        call(cap=0.0)
    for temperature in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="head_stats: temperature must be positive and finite, got"):
            call(temperatures=(0.5, temperature))
    with pytest.raises(ValueError, match=f"head_stats: top: expected at most 32 tokens of a row, got {2**31}"):
        _ops.head_stats(x, head, None, CAP, 1.0, [0.5, 0.5], keys(2), num_top=2**31)
    with pytest.raises(ValueError, match="head_stats: rows and stats must have 2 rows"):
        call(temperatures=(0.5,))
    with pytest.raises(ValueError, match="head_stats: x: expected 32 columns, got 31"):
        call(x=draw(2, 31))
    with pytest.raises(ValueError, match="head_stats: table: expected 5 rows, got 6"):
        call(table=stored("F32", 6, 32))
    with pytest.raises(ValueError, match=r"head_stats: scale: expected F32 \[1\], got F32 \[5\]"):
        call(scale=vector(draw(5)))
    with pytest.raises(ValueError, match="head_stats: head: cannot compute with type Q8_1"):
        call(head=("Q8_1", [5, 32], np.zeros(180, np.uint8)))
    with pytest.raises(ValueError, match=r"head_stats: table: expected rank 2, got \[5\]"):
        call(table=as_stored("F32", draw(5)))
