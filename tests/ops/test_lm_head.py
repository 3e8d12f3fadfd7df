import numpy as np
import pytest

from gesso import _ops
from reference import linear
from reference.lm_head import lm_head
from reference.stored import COLUMNS, as_stored, random_weight, values_of, vector
from reference.tolerance import assert_rows_independent, assert_thread_independent, assert_within_rule

CAP = 30.0


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stored(name, *shape):
    return random_weight(np.random.default_rng(9), name, shape)


def check(x, head, cap=CAP):
    magnitude = linear.magnitude(x, values_of(head))
    got = _ops.lm_head(x, head, cap)
    assert_within_rule(got, lm_head, x, values_of(head), cap, magnitude=magnitude, product_with=head[0])


@pytest.mark.parametrize(("name", "columns"), COLUMNS)
def test_formats(name, columns):
    check(draw(3, columns), stored(name, 19, columns))


@pytest.mark.parametrize("rows", [1, 4, 5])
@pytest.mark.parametrize("vocab_size", [1, 2, 15, 16, 17, 33])
def test_tiles(rows, vocab_size):
    check(draw(rows, 40), stored("BF16", vocab_size, 40))


def test_sizes_of_the_model():
    check(draw(4, 2816), stored("Q8_0", 1000, 2816))


@pytest.mark.parametrize("cap", [0.5, 3.0, 1000.0])
def test_caps(cap):
    check(draw(5, 64), stored("F32", 20, 64), cap)


def test_saturates():
    x = np.array([[1e6], [-1e6], [1e33], [0]], np.float32)
    got = _ops.lm_head(x, as_stored("F32", np.full((1, 1), 1e5)), CAP)
    np.testing.assert_array_equal(got[:, 0], np.float32([CAP, -CAP, CAP, 0]))


@pytest.mark.parametrize("weight", [np.inf, -np.inf, np.nan, 1e38])
def test_infinite_logits_are_no_large_ones(weight):
    """The cap would make 30 of an infinity, and hide a broken weight. The product with 1e38 is beyond float32."""
    x = np.array([[1e3], [-1e3]], np.float32)
    got = _ops.lm_head(x, as_stored("F32", np.array([[weight], [1.0]])), CAP)
    assert np.isnan(got[:, 0]).all()
    np.testing.assert_array_equal(got[:, 1], np.float32([CAP, -CAP]))


def test_scale():
    x, head = draw(3, 40), stored("F32", 5, 40)
    got = _ops.lm_head(x, head, CAP, vector(2.5))
    magnitude = linear.magnitude(x, values_of(head), 2.5)
    assert_within_rule(got, lm_head, x, values_of(head), CAP, 2.5, magnitude=magnitude, product_with="F32")


def test_threads_and_rows():
    x, head = draw(100, 512), stored("Q4_K", 1000, 512)
    assert_thread_independent(_ops.lm_head, x, head, CAP)
    assert_rows_independent(lambda rows: _ops.lm_head(x[rows], head, CAP), 6)


def test_refuses():
    x, head = draw(3, 32), stored("F32", 5, 32)
    for cap in (0.0, -30.0, np.nan):
        with pytest.raises(ValueError, match="lm_head: cap must be positive, got"):
            _ops.lm_head(x, head, cap)
    with pytest.raises(ValueError, match="lm_head: x: expected 32 columns, got 31"):
        _ops.lm_head(draw(3, 31), head, CAP)
    with pytest.raises(ValueError, match=r"lm_head: head: expected rank 2, got \[32\]"):
        _ops.lm_head(x, stored("F32", 32), CAP)
    with pytest.raises(ValueError, match=r"lm_head: scale: expected F32 \[1\], got F32 \[5\]"):
        _ops.lm_head(x, head, CAP, vector(draw(5)))
    with pytest.raises(ValueError, match=r"lm_head: scale: expected F32 \[1\], got F16 \[1\]"):
        _ops.lm_head(x, head, CAP, stored("F16", 1))
    with pytest.raises(ValueError, match="lm_head: head: cannot compute with type Q8_K"):
        _ops.lm_head(draw(1, 256), ("Q8_K", [1, 256], np.zeros(292, np.uint8)), CAP)
