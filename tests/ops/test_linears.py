import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference.linear import linear, magnitude
from reference.stored import random_weight, values_of, vector
from reference.tolerance import (
    assert_rows_independent,
    assert_same_bits,
    assert_within_rule,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stored(name, *shape, seed=9):
    return random_weight(np.random.default_rng(seed), name, shape)


def group(columns, *weights):
    """Products, all of which are needed, with weights of (type, outputs)."""
    return [(stored(name, outputs, columns, seed=i), None, True) for i, (name, outputs) in enumerate(weights)]


def check(x, products):
    """Each result is that of a product of its own: within the rule, and on the CPU with the same bits."""
    results = _ops.linears(x, products)
    for (weight, scale, _), got in zip(products, results, strict=True):
        arguments = (x, values_of(weight)) + (() if scale is None else (np.float32(scale[2].view(np.float32)[0]),))
        assert_within_rule(got, linear, *arguments, magnitude=magnitude(*arguments), product_with=weight[0])
        if device.is_cpu():
            assert_same_bits(got, _ops.linear(x, weight, scale))


@pytest.mark.parametrize("name", ["F32", "BF16", "Q8_0", "Q4_K", "NVFP4"])  # each kernel of products
@pytest.mark.parametrize("rows", [5, 25])  # narrow and wide tiles
def test_one_type(name, rows):
    """The second matrix begins with a tile of its own, wherever the first one ends."""
    for outputs in ((64, 33, 65), (17, 130), (70, 19, 64)):
        check(draw(rows, 256), group(256, *((name, n) for n in outputs)))


@pytest.mark.parametrize("types", [("Q4_K", "Q4_K", "Q6_K"), ("Q6_K", "Q4_K", "Q6_K"), ("Q8_0", "BF16", "F32")])
def test_several_types(types):
    check(draw(9, 256), group(256, *zip(types, (70, 33, 20), strict=True)))


def test_scales():
    """Each matrix has its own scale, or none."""
    products = group(64, ("Q8_0", 17), ("Q8_0", 64), ("Q8_0", 5))
    scales = 0.37, None, -2.5
    check(
        draw(5, 64),
        [(weight, scale and vector(scale), True) for (weight, *_), scale in zip(products, scales, strict=True)],
    )


def test_an_absent_weight():
    x, (q, k) = draw(5, 256), group(256, ("Q4_K", 70), ("Q4_K", 20))
    absent = (None, None, True)
    for got, expected in zip(_ops.linears(x, [q, absent, k]), (70, 0, 20), strict=True):
        assert got.shape == (5, expected)
    assert_same_bits(_ops.linears(x, [q, k, absent])[1], _ops.linears(x, [q, k])[1])


@pytest.mark.parametrize("rows", [5, 40])
@pytest.mark.parametrize("name", ["BF16", "Q8_0"])
def test_products_that_nobody_needs(name, rows):
    """They are not computed, and the others get the same bits. On a device a sum of 4096 columns has splits: the more,
    the fewer outputs there are."""
    x, products = draw(rows, 4096) / 16, group(4096, (name, 700), (name, 20), (name, 33))
    all_of_them = _ops.linears(x, products)
    needed = _ops.linears(x, [(products[0][0], None, False), *products[1:]])
    assert needed[0].shape == (0, 700)
    for got, expected in zip(needed[1:], all_of_them[1:], strict=True):
        assert_same_bits(got, expected)
    if not device.is_cpu():  # else the above would hold whatever decides the splits
        assert (_ops.linear(x, products[1][0]) != all_of_them[1]).any()


@pytest.mark.parametrize("name", ["F32", "Q4_K"])
def test_rows(name):
    x, products = draw(30, 512), group(512, (name, 70), (name, 50))
    for i in range(2):
        assert_rows_independent(lambda rows, i=i: _ops.linears(x[rows], products)[i], 9)
        assert_same_bits(_ops.linears(x, products)[i][:9], _ops.linears(x[:9], products)[i])


def test_no_rows():
    assert [got.shape for got in _ops.linears(draw(0, 32), group(32, ("Q4_0", 17), ("Q4_0", 3)))] == [(0, 17), (0, 3)]


def test_refuses():
    x = draw(3, 32)
    with pytest.raises(ValueError, match="linears: x: expected 64 columns, got 32"):
        _ops.linears(x, [*group(32, ("Q8_0", 5)), *group(64, ("Q8_0", 5))])
    with pytest.raises(ValueError, match="linears: expected 1 to 3 products, and a weight of the first, got 4"):
        _ops.linears(x, group(32, *4 * [("Q8_0", 5)]))
    with pytest.raises(ValueError, match="linears: expected 1 to 3 products, and a weight of the first, got 1"):
        _ops.linears(x, [(None, None, True)])
    with pytest.raises(ValueError, match=r"linears: scale: expected F32 \[1\], got F32 \[5\]"):
        _ops.linears(x, [(stored("F32", 5, 32), vector(draw(5)), True)])
