import numpy as np
import pytest

from gesso import _ops
from reference.add import add
from reference.tolerance import assert_same_bits, assert_thread_independent

SHAPES = [(0, 5), (1, 1), (3, 15), (4, 16), (5, 17), (2, 33), (3, 127), (3, 129), (9, 2816), (2, 4097)]


def draw(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_rounding(shape):
    x, residual = draw(shape, 1), draw(shape, 2)
    assert_same_bits(_ops.add(x, residual), add(x, residual))


def test_rows_apart():
    wide = draw((6, 40))
    assert_same_bits(_ops.add(wide[:, 3:20], wide[:, 20:37]), wide[:, 3:20] + wide[:, 20:37])


def test_threads():
    assert_thread_independent(_ops.add, draw((1000, 1001), 1), draw((1000, 1001), 2))


def test_refuses():
    with pytest.raises(ValueError, match="add: residual: expected 3 rows, got 2"):
        _ops.add(draw((3, 4)), draw((2, 4)))
    with pytest.raises(ValueError, match="add: residual: expected 4 columns, got 5"):
        _ops.add(draw((3, 4)), draw((3, 5)))
