"""Quantising: errors are compared with those of the package gguf and of brute force. Further tests give extreme values,
and arguments that must be refused."""

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize, quantize

from gesso import _native
from quantize_error import DISTRIBUTIONS, gaussian, laplace, outliers
from reference import quantize_search as search
from reference.tolerance import assert_same_bits

BY_GGUF = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "MXFP4"]
# The scale of NVFP4 for each code, halved because E2M1 is stored doubled.
NVFP4_SCALES = np.array(
    [m / 8 * 2.0**-7 if e == 0 else (1 + m / 8) * 2.0 ** (e - 8) for e in range(16) for m in range(8)]
)
# For each type: the number of parts of a block, and the brute force search for a block.
BY_SEARCH = {
    "MXFP4": (1, lambda x, w: search.listed_scale(search.E2M1, x, w, 2.0 ** np.arange(-12, 12))),
    "NVFP4": (4, lambda x, w: search.listed_scale(search.E2M1, x, w, NVFP4_SCALES[:127])),
    "IQ4_NL": (1, lambda x, w: search.any_scale(search.IQ4, x, w)),
    "Q3_K": (16, lambda x, w: search.super_scale(np.arange(-4.0, 4), np.arange(-32.0, 32), x, w)),
    "Q6_K": (16, lambda x, w: search.super_scale(np.arange(-32.0, 32), np.arange(-128.0, 128), x, w)),
    "IQ4_XS": (8, lambda x, w: search.super_scale(search.IQ4, np.arange(-32.0, 32), x, w)),
    "Q2_K": (16, lambda x, w: search.super_affine(np.arange(4.0), 15, x, w)),
    "Q4_K": (8, lambda x, w: search.super_affine(np.arange(16.0), 63, x, w)),
    "Q5_K": (8, lambda x, w: search.super_affine(np.arange(32.0), 63, x, w)),
}
TYPES = sorted({*BY_GGUF, *BY_SEARCH})


def sizes(name):
    return gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]


def encode(name, rows, importance=None, **options):
    rows = np.ascontiguousarray(rows, np.float32)
    if importance is not None:
        importance = np.asarray(importance, np.float32)
    return _native.quantize("F32", rows.view(np.uint8).ravel(), name, rows.shape[-1], importance=importance, **options)


def decode(name, data):
    """Decodes with the package gguf, so that these tests do not depend on gesso's own decoders."""
    with np.errstate(invalid="ignore"):
        return dequantize(data.reshape(-1, sizes(name)[1]), gguf.GGMLQuantizationType[name]).astype(np.float64)


def stored(name, rows, importance=None):
    return decode(name, encode(name, rows, importance)).reshape(rows.shape)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("name", BY_GGUF)
def test_error_next_to_gguf(name, distribution):
    rows = distribution(np.random.default_rng(0), (64, 1024)).astype(np.float32)
    theirs = decode(name, quantize(rows, gguf.GGMLQuantizationType[name])).reshape(rows.shape)
    assert np.sum((rows - stored(name, rows)) ** 2) <= 1.0 * np.sum((rows - theirs) ** 2)


@pytest.mark.parametrize(("distribution", "weighted"), [(gaussian, False), (laplace, True), (outliers, True)])
@pytest.mark.parametrize("name", BY_SEARCH)
def test_error_next_to_brute_force(name, distribution, weighted):
    parts, brute_force = BY_SEARCH[name]
    rng = np.random.default_rng(1)
    elements = sizes(name)[0]
    rows = distribution(rng, (8, elements)).astype(np.float32)
    importance = (rng.lognormal(size=elements) if weighted else np.ones(elements)).astype(np.float32)
    error = np.sum(importance * (rows - stored(name, rows, importance)) ** 2)
    x = rows.astype(np.float64).reshape(len(rows), parts, -1)
    w = np.broadcast_to(importance.astype(np.float64).reshape(parts, -1), x.shape)
    assert error <= 1.02 * brute_force(x, w).sum()


@pytest.mark.parametrize("deviation", [0.02, 0.1])
@pytest.mark.parametrize("name", sorted({*TYPES} - {"MXFP4", "NVFP4"}))  # the scales of these two are coarse
def test_values_that_hardly_differ_lose_no_more_than_by_their_mean(name, deviation):
    rng = np.random.default_rng(10)
    rows = (5 + deviation * rng.standard_normal((32, 256))).astype(np.float32)
    importance = rng.lognormal(size=256).astype(np.float32)
    mean = np.average(rows, axis=1, weights=importance)[:, None]
    error = np.sum(importance * (rows - stored(name, rows, importance)) ** 2)
    assert error <= 1.005 * np.sum(importance * (rows - mean) ** 2)


@pytest.mark.parametrize("name", TYPES)
def test_importance_lowers_the_error_that_counts(name):
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((16, 512)).astype(np.float32)
    importance = rng.lognormal(sigma=2, size=512)
    with_it, without = (np.sum(importance * (rows - stored(name, rows, i)) ** 2) for i in (importance, None))
    assert with_it < 0.97 * without


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("weights", [0, 1e-38, 1e38])
def test_a_block_that_does_not_matter_is_stored_as_if_all_did(name, weights):
    elements = sizes(name)[0]
    rows = np.random.default_rng(3).standard_normal((2, 4 * elements))
    importance = np.ones(4 * elements)
    importance[elements : 2 * elements] = weights
    np.testing.assert_array_equal(encode(name, rows, importance), encode(name, rows))


@pytest.mark.parametrize("name", TYPES)
def test_no_importance_at_all_is_all_the_same(name):
    rows = np.random.default_rng(4).standard_normal((2, 256))
    np.testing.assert_array_equal(encode(name, rows, np.zeros(256)), encode(name, rows))


def hostile_rows():
    """Extreme rows [rows, 256], all values finite."""
    rng = np.random.default_rng(5)
    noise = rng.standard_normal(256)
    one = np.zeros(256)
    one[77] = 1
    largest = np.finfo(np.float32).max
    rows = [0 * noise, -0.0 * np.ones(256), np.ones(256), -np.ones(256), one, -one, noise + 100, noise - 100]
    rows += [noise * scale for scale in (1e-45, 1e-40, 1e-38, 1e-20, 1e-8, 1e-6, 1e4, 1e6, 1e20, 1e37)]
    rows += [one * scale for scale in (1e-45, 1e-30, 1e30, largest, -largest)]
    rows += [1e-20 * noise + 1e20 * one, largest * np.sign(noise), largest * np.ones(256), noise + 1e38 * one]
    rows += [noise * np.logspace(-40, 37, 256), np.sign(noise), np.linspace(0, 1, 256), np.abs(noise) * 65504]
    return np.array(rows).astype(np.float32)


@pytest.mark.parametrize("name", TYPES)
def test_finite_values_stay_finite(name):
    rows = hostile_rows()
    for importance in (None, np.logspace(-38, 38, 256), np.arange(256) % 2):
        assert np.isfinite(stored(name, rows, importance)).all()


@pytest.mark.parametrize("name", TYPES)
def test_zeros_stay_zeros(name):
    assert (stored(name, np.zeros((1, 256))) == 0).all()


@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize("name", sorted({*TYPES} - {"NVFP4"}))  # NVFP4 holds only sizes from 0.01 to 2688
def test_a_scaled_row_loses_as_much(name, scale):
    """Only the precision of the stored scales may depend on the magnitude of the values."""
    rows = np.random.default_rng(6).standard_normal((16, 256)).astype(np.float32)
    scaled = rows * np.float32(scale)
    error, unit = np.sum((scaled - stored(name, scaled)) ** 2) / scale**2, np.sum((rows - stored(name, rows)) ** 2)
    assert error <= 1.05 * unit


SCALES_AT = {"Q2_K": (80, 82), "Q3_K": (108,), "Q6_K": (208,)} | dict.fromkeys(["Q4_1", "Q5_1", "Q4_K", "Q5_K"], (0, 2))


@pytest.mark.parametrize("name", TYPES)
def test_what_a_type_holds_comes_back(name):
    """Values that a type can hold come back exactly. Super-blocks lose a little, because many pairs of d and integers
    come close to the stored one."""
    elements, size = sizes(name)
    blocks = np.random.default_rng(7).integers(0, 256, (64, size), np.uint8)
    for offset in SCALES_AT.get(name, (0,)):
        blocks[:, offset : offset + 2] = np.frombuffer(np.float16(0.01).tobytes(), np.uint8)
    if name in ("MXFP4", "NVFP4"):  # their scales are bytes
        blocks[:, : 1 if name == "MXFP4" else 4] = 56
    if name == "Q8_0":
        blocks[blocks == 128] = 129  # gesso does not write the level -128, because there is no level +128
    rows = decode(name, blocks).astype(np.float32)
    loss = np.sum((rows - stored(name, rows)) ** 2)
    assert loss <= (2e-4 * np.sum(rows.astype(np.float64) ** 2) if elements == 256 else 0)


@pytest.mark.parametrize("name", TYPES)
def test_any_number_of_threads(name):
    rng = np.random.default_rng(8)
    rows, importance = rng.standard_normal((257, 256)), rng.random(256)
    alone = encode(name, rows, importance, num_threads=1)
    for num_threads in (2, 3):
        assert_same_bits(alone, encode(name, rows, importance, num_threads=num_threads))


def test_multiplier():
    rows = np.random.default_rng(9).standard_normal((2, 256)).astype(np.float32)
    assert_same_bits(encode("Q6_K", rows, multiplier=3.0), encode("Q6_K", rows * np.float32(3)))


@pytest.mark.parametrize(
    ("name", "rows", "options", "message"),
    [
        ("Q9_Z", np.zeros((1, 32)), {}, "unknown tensor type Q9_Z"),
        ("IQ1_S", np.zeros((1, 256)), {}, "cannot write type IQ1_S; supported: F32, F16, BF16, Q8_0"),
        ("Q4_K", np.zeros((1, 128)), {}, "rows of 128 are no whole number of Q4_K blocks of 256"),
        ("Q8_0", np.full((1, 32), np.nan), {}, "element 0 is -?nan, which Q8_0 cannot hold"),
        ("Q8_0", np.array([[0.0] * 40 + [-np.inf] + [0.0] * 23]), {}, "element 40 is -inf, which Q8_0 cannot hold"),
        ("Q8_0", np.zeros((1, 32)), {"importance": np.ones(31)}, "importance: expected 32 values, got 31"),
        ("Q8_0", np.zeros((1, 32)), {"importance": -np.ones(32)}, "importance: expected finite values >= 0, got -1"),
        ("Q8_0", np.zeros((1, 32)), {"importance": np.full(32, np.inf)}, "expected finite values >= 0, got inf"),
        ("Q8_0", np.zeros((1, 32)), {"multiplier": np.inf}, "multiplier: expected a finite number, got inf"),
    ],
)  # fmt: skip
def test_what_is_refused(name, rows, options, message):
    with pytest.raises(ValueError, match=message):
        encode(name, rows, **options)
