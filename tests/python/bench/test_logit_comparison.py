"""The rule for a GPU's logits: what gesso_gpu_answers and the tests of whole models call wrong."""

import numpy as np
import pytest

from gesso import _ops

LAYERS, ROWS, VOCAB = 3, 72, 61
FAR, GARBAGE = "most logits are too far from the CPU's", "some rows are garbage"


@pytest.fixture
def exact():
    return 4 * np.random.default_rng(0).standard_normal((ROWS, VOCAB)).astype(np.float32)


def compare(got, exact, activations="bf16"):
    return _ops.compare_logits(got, exact, activations, LAYERS)


def off_by(exact, error, rows=ROWS):
    """The first rows with errors of that size, relative to a row's."""
    noise = np.random.default_rng(1).standard_normal(exact.shape).astype(np.float32)
    noise *= np.sqrt(np.mean(exact**2, axis=1, keepdims=True) / np.mean(noise**2, axis=1, keepdims=True))
    noise[rows:] = 0
    return exact + np.float32(error) * noise


def test_equal_logits(exact):
    found = compare(exact, exact)
    assert (found.relative_error, found.argmax_agreement, found.problems()) == (0, 1, "")
    assert abs(found.mean_kl) < 1e-12


@pytest.mark.parametrize("activations", ["bf16", "int8"])
def test_errors_of_roundings(exact, activations):
    """The bound is twice what 2 * 6 * (layers + 1) roundings add up to."""
    rounding = {"bf16": 2.0**-9, "int8": 3 / 127 / 12**0.5}[activations]
    bound = 2 * rounding * (2 * 6 * (LAYERS + 1)) ** 0.5
    assert compare(exact, exact, activations).largest_relative_error == pytest.approx(bound)
    assert compare(off_by(exact, 0.99 * bound), exact, activations).problems() == ""
    found = compare(off_by(exact, 1.01 * bound), exact, activations)
    assert found.problems() == FAR and found.relative_error == pytest.approx(1.01 * bound, rel=1e-3)


def test_divergence(exact):
    got = off_by(exact, 0.3).astype(np.float64)
    p, q = (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in (exact.astype(np.float64), got))
    found = compare(got.astype(np.float32), exact)
    assert found.mean_kl == pytest.approx(np.sum(p * np.log(p / q), axis=1).mean(), rel=1e-5)
    assert found.largest_mean_kl == pytest.approx(np.sum(p * np.log(p * VOCAB), axis=1).mean() / 16)
    assert found.argmax_agreement == np.mean(got.argmax(axis=1) == exact.argmax(axis=1)) < 1


def test_rows_with_other_experts(exact):
    """A quarter of the rows may have a third of their size as an error, but not a third of the rows."""
    assert compare(off_by(exact, 0.33, ROWS // 4), exact).problems() == ""
    assert compare(off_by(exact, 0.33, ROWS // 3), exact).problems() == FAR


@pytest.mark.parametrize("share", [0.1, 0.22])
@pytest.mark.parametrize("activations", ["bf16", "int8"])
def test_some_garbage(exact, activations, share):
    """Too few rows for the relative error: other logits, the next row's, none, or those of the opposite sign."""
    rows = round(share * ROWS)
    for garbage in (4 * np.random.default_rng(2).standard_normal((rows, VOCAB)), exact[1 : rows + 1], 0, -exact[:rows]):
        got = exact.copy()
        got[:rows] = garbage
        found = compare(got, exact, activations)
        assert found.relative_error == 0 and found.problems() == GARBAGE


def test_logits_that_are_not_finite(exact):
    """A NaN in any row is told. The relative error is infinite where there are many."""
    for value in (np.nan, np.inf, -np.inf):
        got = exact.copy()
        got[5, 7] = value
        found = compare(got, exact)
        assert found.problems() == GARBAGE and found.relative_error == 0
        got[: ROWS // 2, 7] = value
        found = compare(got, exact)
        assert found.relative_error == np.inf and found.problems() == f"{FAR}; {GARBAGE}"


def test_shapes_that_differ(exact):
    with pytest.raises(ValueError, match=r"compare_logits: expected \[72, 61\], got \[71, 61\]"):
        compare(exact[:-1], exact)
