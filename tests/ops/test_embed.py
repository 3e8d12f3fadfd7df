import numpy as np
import pytest

from gesso import _ops
from reference.embed import embed
from reference.stored import COLUMNS, random_weight, values_of
from reference.tolerance import assert_same_bits, assert_thread_independent

SCALE = np.float32(np.sqrt(2816))


def int32(*ids):
    return np.array(ids, np.int32)


@pytest.mark.parametrize(("name", "columns"), COLUMNS)
def test_one_rounding(name, columns):
    """Decoding is exact, so a value is rounded only once, when it is multiplied by the scale."""
    table = random_weight(np.random.default_rng(0), name, (7, columns))
    ids = int32(6, 0, 3, 3, 6)
    assert_same_bits(_ops.embed(table, ids, SCALE), embed(values_of(table), ids, SCALE))


@pytest.mark.parametrize(
    ("name", "columns"), [("F32", 1023), ("F32", 1024), ("F32", 1025), ("Q8_0", 2080), ("Q4_K", 1280), ("Q6_K", 2816)]
)
def test_long_rows(name, columns):
    """Long rows have several parts, which are decoded side by side."""
    table = random_weight(np.random.default_rng(0), name, (3, columns))
    ids = int32(2, 0)
    assert_same_bits(_ops.embed(table, ids, SCALE), embed(values_of(table), ids, SCALE))


def test_no_ids():
    assert _ops.embed(random_weight(np.random.default_rng(0), "F32", (7, 8)), int32(), 1.0).shape == (0, 8)


@pytest.mark.parametrize("offset", [1, 2, 3])
def test_blocks_at_any_address(offset):
    name, shape, data = random_weight(np.random.default_rng(0), "Q4_0", (5, 64))
    moved = np.concatenate([np.zeros(offset, np.uint8), data])[offset:]
    ids = int32(*range(5))
    assert_same_bits(_ops.embed((name, shape, moved), ids, 1.0), _ops.embed((name, shape, data), ids, 1.0))


def test_threads():
    rng = np.random.default_rng(0)
    table = random_weight(rng, "Q8_0", (100, 2816))
    assert_thread_independent(_ops.embed, table, rng.integers(0, 100, 256, np.int32), SCALE)


def test_refuses():
    table = random_weight(np.random.default_rng(0), "F32", (7, 8))
    for bad in (-1, 7, -(2**31), 2**31 - 1):
        with pytest.raises(ValueError, match=rf"embed: token id {bad} outside \[0, 7\)"):
            _ops.embed(table, int32(0, bad), 1.0)
    with pytest.raises(ValueError, match="embed: table: expected rank 2, got"):
        _ops.embed(random_weight(np.random.default_rng(0), "F32", (2, 3, 8)), int32(0), 1.0)
    with pytest.raises(ValueError, match="embed: table: cannot compute with type Q8_1; supported: F32, F16"):
        _ops.embed(("Q8_1", [2, 32], np.zeros(72, np.uint8)), int32(0), 1.0)
