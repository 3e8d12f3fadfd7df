import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso import _ops
from reference import sampler

CONFIDENT, UNSURE = 0.001, 0.01
A, B = [1, 2, 3], [1, 2, 4]


def stops(steps, stability_threshold, confidence_threshold=0.005):
    """For each (argmax, mean entropy), whether the canvas may stop after it."""
    stopping = _ops.Stopping(stability_threshold, confidence_threshold)
    got = [stopping.update(argmax, mean_entropy) for argmax, mean_entropy in steps]
    assert got == sampler.stops(*map(list, zip(*steps, strict=True)), stability_threshold, confidence_threshold)
    return got


def test_stable_and_confident():
    assert stops([(A, CONFIDENT), (A, CONFIDENT)], 1) == [False, True]
    assert stops([(A, UNSURE), (A, UNSURE)], 1) == [False, False]
    assert stops([(A, UNSURE), (A, CONFIDENT)], 1) == [False, True]  # only the last step must be confident
    assert stops([(A, CONFIDENT), (B, CONFIDENT), (B, CONFIDENT)], 1) == [False, False, True]


def test_threshold_zero_needs_no_comparison():
    assert stops([(A, CONFIDENT)], 0) == [True]
    assert stops([(A, UNSURE), (B, CONFIDENT)], 0) == [False, True]


def test_threshold_three_counts_comparisons():
    steps = [(A, CONFIDENT)] * 5
    assert stops(steps, 3) == [False, False, False, True, True]
    assert stops([*steps[:3], (B, CONFIDENT), *steps], 3) == [False] * 7 + [True] * 2


def test_confidence_is_strict():
    assert stops([(A, 0.5)] * 2, 1, confidence_threshold=0.5) == [False, False]
    assert stops([(A, 0.0)] * 2, 1, confidence_threshold=0.0) == [False, False]


def test_nan_never_stops():
    assert stops([(A, float("nan"))] * 3, 1, confidence_threshold=100.0) == [False] * 3


@settings(max_examples=200)
@given(
    st.integers(0, 4), st.lists(st.tuples(st.sampled_from([A, B]), st.sampled_from([CONFIDENT, UNSURE])), min_size=1)
)
def test_any_steps(stability_threshold, steps):
    stops(steps, stability_threshold)


@pytest.mark.parametrize("length", [1, 2, 7, 256])
def test_mean_entropy(length):
    entropies = np.random.default_rng(0).exponential(size=length).astype(np.float32)
    assert _ops.mean_entropy(entropies.tolist(), []) == pytest.approx(np.mean(entropies, dtype=np.float64), rel=2e-7)


def test_mean_without_pinned_positions():
    assert _ops.mean_entropy([1.0, 100.0, 3.0], [1]) == 2
    assert _ops.mean_entropy([1.0, float("nan"), 3.0], [1]) == 2
    assert _ops.mean_entropy([1.0, 2.0], [0, 1]) == 0  # no position is left that could be uncertain
    assert np.isnan(_ops.mean_entropy([1.0, float("nan")], []))
