"""Decoding of stored rows: bit for bit what the package `gguf` gives, for any bytes."""

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gesso import _ops

FORMATS = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K"]


def sizes(name):
    """Elements and bytes of one block."""
    return gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]


def decode(name, data):
    elements, size = sizes(name)
    return _ops.decode_row(name, data, len(data) // size * elements)


def assert_same_as_reference(name, data):
    got = decode(name, data)
    with np.errstate(all="ignore"):  # infinities and NaN among the scales are part of the test
        expected = dequantize(np.frombuffer(data, np.uint8), gguf.GGMLQuantizationType[name])
    assert got.dtype == np.float32
    # Equal bits, signs of zeros included; of a NaN only that it is one.
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(got), nan)
    np.testing.assert_array_equal(got[~nan].view(np.uint32), expected[~nan].view(np.uint32))


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num_blocks=st.integers(1, 40))
def test_any_bytes(name, seed, num_blocks):
    assert_same_as_reference(name, np.random.default_rng(seed).bytes(num_blocks * sizes(name)[1]))


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_chosen_blocks(name, data):
    size = sizes(name)[1]
    assert_same_as_reference(name, data.draw(st.binary(min_size=size, max_size=size)))


@pytest.mark.parametrize("name", ["F16", "BF16"])
def test_every_16_bit_pattern(name):
    assert_same_as_reference(name, np.arange(65536, dtype="<u2").tobytes())


@pytest.mark.parametrize("name", ["Q8_0", "Q4_0", "Q4_K"])
def test_every_scale(name):
    """All half precision scales, among them denormals, zeros of both signs, infinities and NaN."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (65536, sizes(name)[1]), np.uint8)
    blocks[:, :2] = np.arange(65536, dtype="<u2").view(np.uint8).reshape(-1, 2)
    if name == "Q4_K":
        blocks[:, 2:4] = rng.permutation(65536).astype("<u2").view(np.uint8).reshape(-1, 2)
    assert_same_as_reference(name, blocks.tobytes())


@pytest.mark.parametrize("name", FORMATS)
def test_empty_row(name):
    assert decode(name, b"").shape == (0,)


@given(st.integers(0, 7), st.integers(0, 63), st.integers(0, 63))
@example(4, 63, 0)
@example(7, 0, 63)
def test_q4_k_scales_and_minimums(sub_block, scale, minimum):
    """One sub-block's 6-bit scale and minimum, packed by hand: x = scale * q - minimum with d = dmin = 1."""
    packed = bytearray(12)
    if sub_block < 4:
        packed[sub_block], packed[sub_block + 4] = scale, minimum
    else:
        packed[sub_block + 4] = (scale & 15) | (minimum & 15) << 4
        packed[sub_block - 4] = (scale >> 4) << 6
        packed[sub_block] = (minimum >> 4) << 6
    quants = np.arange(256).reshape(8, 32) % 16
    nibbles = (quants[0::2] | quants[1::2] << 4).astype(np.uint8)
    one = np.float16(1).tobytes()
    got = decode("Q4_K", one + one + bytes(packed) + nibbles.tobytes()).reshape(8, 32)
    expected = np.zeros((8, 32))
    expected[sub_block] = scale * quants[sub_block] - minimum
    np.testing.assert_array_equal(got, expected)
