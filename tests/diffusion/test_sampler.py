import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso import _ops
from reference import sampler

NAN, INFINITY = float("nan"), float("inf")


def accept(entropies, bound, pinned=()):
    """The accepted positions; the reference must accept the same."""
    accepted = _ops.accept(entropies, list(pinned), bound)
    assert accepted.dtype == bool and len(accepted) == len(entropies)
    np.testing.assert_array_equal(accepted, sampler.accept(entropies, pinned, bound))
    return np.flatnonzero(accepted).tolist()


def test_the_first_is_always_accepted():
    assert accept([5.0, 3.0, 4.0], 0.0) == [1]
    assert accept([9.0], 0.1) == [0]
    assert accept([], 0.1) == []


def test_the_bound_is_for_those_before():
    """The sum of the entropies before a position may equal the bound. The position's own entropy does not count.
    float32 holds these numbers exactly."""
    entropies = [0.5, 0.25, 1.0, 8.0]
    assert accept(entropies, 0.24) == [1]
    assert accept(entropies, 0.25) == [0, 1]
    assert accept(entropies, 0.74) == [0, 1]
    assert accept(entropies, 0.75) == [0, 1, 2]
    assert accept(entropies, 1.75) == [0, 1, 2, 3]


def test_zeros_are_free():
    assert accept([0.0, 1.0, 0.0, 0.0], 0.0) == [0, 1, 2, 3]  # a bound of 0 still accepts the first entropy above 0
    assert accept([0.0, 1.0, 2.0, 0.0], 0.0) == [0, 1, 3]


def test_equals_in_order_of_position():
    assert accept([0.5] * 5, 1.0) == [0, 1, 2]


def test_pinned_positions_spend_nothing():
    entropies = [0.01, 0.5, 0.25, 3.0, 1.0]
    assert accept(entropies, 0.25, pinned=[0, 3]) == [0, 1, 2, 3]
    assert accept(entropies, 0.25) == [0, 2]
    assert accept(entropies, 0.25, pinned=range(5)) == [0, 1, 2, 3, 4]
    assert accept(entropies, 0.0, pinned=[1, 2, 3, 4]) == [0, 1, 2, 3, 4]


def test_broken_entropies():
    """NaN comes last and is never accepted. Infinity is accepted only where it is the first."""
    assert accept([NAN, 0.5, NAN, 0.25], 100.0) == [1, 3]
    assert accept([NAN, NAN], 100.0) == []
    assert accept([NAN, NAN], 100.0, pinned=[1]) == [1]
    assert accept([INFINITY, 0.5, NAN], 100.0) == [1]
    assert accept([INFINITY, NAN], INFINITY) == []


def test_rounded_sums():
    """The rule computes in float32, for each position on its own: a large entropy swallows the sum of those before
    it."""
    assert accept([1.0, 1e-20, 1e-20], 0.0) == [0, 1]


ENTROPIES = st.lists(
    st.one_of(
        st.floats(0, 12, width=32),
        st.floats(0, 2**-7, width=32),
        st.sampled_from([0.0, 0.1, 0.25, 0.5, NAN, INFINITY]),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(ENTROPIES, st.one_of(st.floats(0, 20, width=32), st.sampled_from([0.0, 0.1, 0.25])), st.data())
def test_any_entropies(entropies, bound, data):
    pinned = data.draw(st.sets(st.integers(0, len(entropies) - 1))) if entropies else []
    accepted = accept(entropies, bound, sorted(pinned))
    if any(np.isfinite(entropies[i]) for i in range(len(entropies)) if i not in pinned):
        assert len(accepted) > len(pinned)


@pytest.mark.parametrize("seed", range(20))
def test_canvases_of_the_model(seed):
    """Entropies over many orders of magnitude, and bounds that a sum of them equals exactly."""
    rng = np.random.default_rng(seed)
    entropies = (10 ** rng.uniform(-9, 1, 256)).astype(np.float32)
    sums = np.cumsum(np.sort(entropies), dtype=np.float64).astype(np.float32)
    for bound in [0.1, *sums[rng.integers(0, 256, 5)].tolist()]:
        accept(entropies.tolist(), bound)
