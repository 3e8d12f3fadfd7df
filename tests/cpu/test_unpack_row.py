"""Stored rows as integers, scales and minimums. Combined again, they must equal decode_row bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso import _ops
from reference.stored import BLOCKS, HALF_SCALES, SIZES, put_scales

INTEGER_TYPES = [
    *("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"),
    *("IQ4_NL", "IQ4_XS", "MXFP4", "NVFP4"),
]


def assert_same_as_decoded(name, data):
    num_elements = len(data) // SIZES[name][1] * SIZES[name][0]
    levels, scales, mins, offset, is_wide = _ops.unpack_row(name, data, num_elements)
    assert offset == 128 if is_wide else levels.max(initial=0) < 64
    per_scale = num_elements // max(len(scales), 1)
    assert num_elements == 0 or per_scale in (16, 32)
    with np.errstate(all="ignore"):  # infinities and NaN among the scales are part of the test
        signed = levels.astype(np.float32) - np.float32(offset)
        got = np.repeat(scales, per_scale) * signed - np.repeat(mins, per_scale)
    expected = _ops.decode_row(name, data, num_elements)
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(got), nan)
    np.testing.assert_array_equal(got[~nan].view(np.uint32), expected[~nan].view(np.uint32))


def test_other_types_have_no_integers():
    for name in SIZES:
        data = bytes(SIZES[name][1])
        assert (_ops.unpack_row(name, data, SIZES[name][0]) is None) == (name not in INTEGER_TYPES)


@pytest.mark.parametrize("name", INTEGER_TYPES)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), num_blocks=st.integers(0, 70))
def test_any_bytes(name, seed, num_blocks):
    assert_same_as_decoded(name, np.random.default_rng(seed).bytes(num_blocks * SIZES[name][1]))


@pytest.mark.parametrize("name", [name for name in INTEGER_TYPES if HALF_SCALES[name]])
def test_every_scale(name):
    rng = np.random.default_rng(0)
    scales = np.arange(65536, dtype=np.uint16)
    blocks = rng.integers(0, 256, (len(scales), SIZES[name][1]), np.uint8)
    put_scales(name, blocks, scales.view(np.float16))
    assert_same_as_decoded(name, blocks.tobytes())


@pytest.mark.parametrize("name", ["MXFP4", "NVFP4"])
def test_every_8_bit_scale(name):
    blocks = np.random.default_rng(0).integers(0, 256, (256, SIZES[name][1]), np.uint8)
    blocks[:, : 1 if name == "MXFP4" else 4] = np.arange(256)[:, None]
    assert_same_as_decoded(name, blocks.tobytes())


@pytest.mark.parametrize("name", INTEGER_TYPES)
@pytest.mark.parametrize("content", [0x00, 0x01, 0x55, 0x7F, 0x80, 0xAA, 0xFF])
def test_extreme_content(name, content):
    blocks = np.full((3, SIZES[name][1]), content, np.uint8)
    put_scales(name, blocks, np.float16([0.5, -2, 1e-7]))
    assert_same_as_decoded(name, blocks.tobytes())


def test_types_are_known():
    assert set(INTEGER_TYPES) <= set(BLOCKS)
