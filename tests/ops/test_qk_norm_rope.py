import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference import qk_norm_rope as oracle
from reference.stored import random_weight, vector
from reference.tolerance import assert_same_bits, assert_thread_independent, assert_within_rule

EPS = 1e-6


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def as_kept(formula):
    """Keys and values as the device under test keeps them. Values of float64 stay exact."""

    def evaluate(*arguments):
        result = formula(*arguments)
        return device.round_operand(result, "F32") if result.dtype == np.float32 else result

    return evaluate


class Case:
    """Projections of `rows` rows and the weights of their norms."""

    def __init__(self, rows, num_heads, num_key_value_heads, head_dim, theta=1e4, partial=1.0):
        self.head_dim = head_dim
        self.q = draw(rows, num_heads * head_dim)
        self.k, self.v = draw(2, rows, num_key_value_heads * head_dim, seed=1)
        self.q_norm, self.k_norm = draw(2, head_dim, seed=2)
        self.inv_freq = oracle.inverse_frequencies(theta, head_dim, partial)

    def run(self, sequences, num_threads=1, **changes):
        given = {"q": self.q, "k": self.k, "v": self.v} | changes
        norms = (vector(self.q_norm), vector(self.k_norm))
        num_rotated = int(np.count_nonzero(self.inv_freq))
        return _ops.qk_norm_rope(
            *given.values(), *norms, EPS, self.inv_freq, sequences, num_rotated=num_rotated, num_threads=num_threads
        )

    def check(self, positions, q, keys, values):
        rotated = oracle.normed_and_rotated
        assert_within_rule(q, rotated, self.q, self.q_norm, EPS, positions, self.inv_freq)
        assert_within_rule(keys, as_kept(rotated), self.k, self.k_norm, EPS, positions, self.inv_freq)
        assert_within_rule(values, as_kept(oracle.normed), self.v, EPS, self.head_dim)


@pytest.mark.parametrize("head_dim", [2, 14, 16, 18, 34, 256])
@pytest.mark.parametrize(("num_heads", "num_key_value_heads"), [(1, 1), (6, 2), (5, 5)])
def test_sizes(head_dim, num_heads, num_key_value_heads):
    case = Case(3, num_heads, num_key_value_heads, head_dim)
    case.check(np.arange(3), *case.run([(0, 3, 0)]))


@pytest.mark.parametrize("position", [0, 1, 1023, 262141])
def test_layers_of_the_model(position):
    sliding = Case(3, 16, 8, 256, theta=1e4)
    sliding.check(position + np.arange(3), *sliding.run([(0, 3, position)]))
    full = Case(3, 16, 2, 512, theta=1e6, partial=0.25)
    full.check(position + np.arange(3), *full.run([(0, 3, position)]))


def test_partial_rotation_leaves_the_rest():
    case = Case(2, 1, 1, 16, partial=0.5)
    assert np.count_nonzero(case.inv_freq) == 4
    q, _, _ = case.run([(0, 2, 1000)])
    unrotated, _, _ = case.run([(0, 2, 0)])  # the first row is at position 0, where all angles are zero
    still = [4, 5, 6, 7, 12, 13, 14, 15]
    assert_same_bits(q[0, still], unrotated[0, still])
    assert (np.delete(q[0], still) != np.delete(unrotated[0], still)).all()


def test_dot_depends_on_distance_alone():
    """A dot product of rotated rows depends on their distance alone. The same vector is in every row."""
    case = Case(4, 1, 1, 64)
    case.q[:], case.k[:] = case.q[0], case.k[0]
    q, keys, _ = case.run([(0, 4, 100)])
    tolerance = (1e-5 if device.is_cpu() else 2**-9) * np.linalg.norm(q[0]) * np.linalg.norm(keys[0])
    np.testing.assert_allclose(q[2] @ keys[0], q[3] @ keys[1], atol=tolerance)
    np.testing.assert_allclose(q[0] @ keys[2], q[1] @ keys[3], atol=tolerance)
    assert abs(q[0] @ keys[3] - q[3] @ keys[0]) > 0.1  # the product depends on the sign of the distance, too


def test_sequences():
    """Rows of several sequences, not in order. Rows of no sequence keep their queries and write nothing."""
    case = Case(7, 2, 1, 8)
    q, keys, values = case.run([(5, 2, 40), (0, 3, 7), (4, 0, 1)])
    rows = [0, 1, 2, 5, 6]
    expected = case.run([(0, 7, 0)])
    assert_same_bits(values[rows], expected[2][rows])
    for row, position in zip(rows, [7, 8, 9, 40, 41], strict=True):
        alone = case.run([(row, 1, position)])
        assert_same_bits(q[row], alone[0][row])
        assert_same_bits(keys[row], alone[1][row])
    assert_same_bits(q[3:5], case.q[3:5])
    assert np.isnan(keys[3:5]).all() and np.isnan(values[3:5]).all()


def test_values_from_keys():
    """Layers without a V projection normalise k without rotation and without weights."""
    case = Case(3, 2, 2, 16)
    _, keys, values = case.run([(0, 3, 5)], v=case.k)
    assert_within_rule(values, as_kept(oracle.normed), case.k, EPS, 16)
    assert_same_bits(keys, case.run([(0, 3, 5)])[1])


def test_without_queries():
    case = Case(3, 2, 1, 16)
    for expected, got in zip(case.run([(0, 3, 5)])[1:], case.run([(0, 3, 5)], q=None)[1:], strict=True):
        assert_same_bits(got, expected)


def test_rows_apart():
    case = Case(4, 2, 1, 16)
    wide = np.concatenate([case.q, case.k, case.v], axis=1)
    apart = {"q": wide[:, :32], "k": wide[:, 32:48], "v": wide[:, 48:]}
    for expected, got in zip(case.run([(0, 4, 9)]), case.run([(0, 4, 9)], **apart), strict=True):
        assert_same_bits(got, expected)


def test_threads():
    case = Case(120, 16, 8, 256)
    assert_thread_independent(case.run, [(0, 60, 3), (60, 60, 100)])


def test_refuses():
    case = Case(3, 2, 1, 8)

    def refuses(message, **changes):
        given = {
            "q": case.q,
            "k": case.k,
            "v": case.v,
            "q_norm": vector(case.q_norm),
            "k_norm": vector(case.k_norm),
            "eps": EPS,
            "inv_freq": case.inv_freq,
            "sequences": [(0, 3, 0)],
        } | changes
        with pytest.raises(ValueError, match="qk_norm_rope: " + message):
            _ops.qk_norm_rope(*given.values())

    refuses("inv_freq is empty", inv_freq=np.zeros(0, np.float32))
    refuses(r"q_norm: expected F32 \[8\], got F32 \[6\]", q_norm=vector(draw(6)))
    refuses(r"q_norm: expected F32 \[8\], got nothing", q_norm=None)
    refuses(r"k_norm: expected F32 \[8\], got F16 \[8\]", k_norm=random_weight(np.random.default_rng(0), "F16", (8,)))
    refuses("k has 12 columns, expected 1 heads of 8", k=draw(3, 12), v=draw(3, 12))
    refuses("q has 12 columns, no multiple of head_dim 8", q=draw(3, 12))
    refuses("q: expected 3 rows, got 2", q=draw(2, 16))
    refuses("v: expected 3 rows, got 2", v=draw(2, 8))
    refuses("v: expected 8 columns, got 16", v=draw(3, 16))
    refuses(r"sequence rows 1 \+ 3 outside the 3 rows given", sequences=[(1, 3, 0)])
    refuses(r"sequence rows -1 \+ 2 outside the 3 rows given", sequences=[(-1, 2, 0)])
