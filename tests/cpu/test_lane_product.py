"""The product that attention is made of, in each form that this machine can run."""

import numpy as np
import pytest

from gesso import _ops
from reference.tolerance import assert_same_bits, assert_within_rule

PRODUCTS = _ops.lane_products()


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def product(a, b, factors, c):
    return (c * factors if factors is not None else c) + np.einsum("ik,kl->il", a, b)


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("depth", [0, 1, 2, 31, 32, 33, 64])
@pytest.mark.parametrize("scaled", [False, True])
def test_against_the_oracle(name, depth, scaled):
    rows, lanes = PRODUCTS[name]
    a, b, c = draw(rows, depth), draw(depth, lanes, seed=1), draw(rows, lanes, seed=2)
    factors = draw(lanes, seed=3) if scaled else None
    got = _ops.lane_product(name, a, False, b, factors, c)
    magnitude = (np.abs(a) @ np.abs(b)).max(axis=1, initial=0) + np.abs(c).max(axis=1)
    assert_within_rule(got, product, a, b, factors, c, magnitude=magnitude)
    assert_same_bits(_ops.lane_product(name, a.T.copy(), True, b, factors, c), got)


@pytest.mark.parametrize("name", PRODUCTS)
def test_lanes_and_rows_do_not_mix(name):
    """A NaN in one row and one lane stays there. Equal rows give equal bits wherever they are."""
    rows, lanes = PRODUCTS[name]
    a, b = np.repeat(draw(1, 20), rows, axis=0), np.repeat(draw(20, 1, seed=1), lanes, axis=1)
    c, factors = np.ones((rows, lanes), np.float32), np.full(lanes, 0.3, np.float32)
    clean = _ops.lane_product(name, a, False, b, factors, c)
    assert_same_bits(clean, np.full_like(clean, clean[0, 0]))
    a[rows - 1, 3] = b[5, 2] = np.nan
    got = _ops.lane_product(name, a, False, b, factors, c)
    assert np.isnan(got[rows - 1]).all() and np.isnan(got[:, 2]).all()
    assert_same_bits(np.delete(got[:-1], 2, axis=1), np.delete(clean[:-1], 2, axis=1))


@pytest.mark.skipif(not {"avx512", "avx2"} <= PRODUCTS.keys(), reason="needs AVX-512 and AVX2")
def test_fused_products_agree():
    a, b, c, factors = draw(6, 64), draw(64, 16, seed=1), draw(6, 16, seed=2), draw(16, seed=3)
    narrow = _ops.lane_product("avx2", a, False, b, factors, c)
    wide = _ops.lane_product(
        "avx512",
        np.resize(a, (8, 64)),
        False,
        np.tile(b, (1, 3)),
        np.tile(factors, 3),
        np.tile(np.resize(c, (8, 16)), 3),
    )
    assert_same_bits(wide[:6, :16], narrow)
