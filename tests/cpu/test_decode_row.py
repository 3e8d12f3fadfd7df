"""Decoded rows must equal those of the package `gguf` bit for bit, for any bytes."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gesso import _native, _ops
from reference.stored import BLOCKS, HALF_SCALES, SIZES, decoded, put_scales

# The types of weights as of August 2026. These are all types of ggml except integers, F64, and the types of
# activations, Q8_1 and Q8_K.
WEIGHT_TYPES = """
    F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K
    IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 NVFP4 Q1_0 Q2_0
"""
# Zero, the smallest and the largest denormal, normal numbers, the largest number, infinity and NaN, as half precision.
EXTREME_SCALES = np.array([0, 1, 0x3FF, 0x400, 0x3C00, 0x7BFF, 0x7C00, 0x7C01, 0x7FFF], np.uint16)
EXTREME_SCALES = np.concatenate([EXTREME_SCALES, EXTREME_SCALES | 0x8000])


def decode(name, data):
    return _ops.decode_row(name, data, len(data) // SIZES[name][1] * SIZES[name][0])


def assert_same_as_reference(name, data):
    got = decode(name, data)
    with np.errstate(all="ignore"):  # infinities and NaN among the scales are part of the test
        expected = decoded(name, np.frombuffer(data, np.uint8).reshape(-1, SIZES[name][1])).reshape(-1)
    assert got.dtype == np.float32
    # Bits must be equal, also the signs of zeros. Where a NaN is expected, any NaN will do.
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(got), nan)
    np.testing.assert_array_equal(got[~nan].view(np.uint32), expected[~nan].view(np.uint32))


def test_every_type_of_a_weight_is_here():
    assert set(SIZES) == set(WEIGHT_TYPES.split())
    assert set(HALF_SCALES) == set(BLOCKS)  # so that test_every_scale leaves no type out
    others = {kind.name for kind in _native.tensor_types()} - set(SIZES)
    assert others == {"I8", "I16", "I32", "I64", "F64", "Q8_1", "Q8_K"}


@pytest.mark.parametrize("name", SIZES)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), num_blocks=st.integers(1, 40))
def test_any_bytes(name, seed, num_blocks):
    assert_same_as_reference(name, np.random.default_rng(seed).bytes(num_blocks * SIZES[name][1]))


@pytest.mark.parametrize("name", SIZES)
@settings(max_examples=30)
@given(data=st.data())
def test_chosen_blocks(name, data):
    size = SIZES[name][1]
    assert_same_as_reference(name, data.draw(st.binary(min_size=size, max_size=size)))


@pytest.mark.parametrize("name", ["F16", "BF16"])
def test_every_16_bit_pattern(name):
    assert_same_as_reference(name, np.arange(65536, dtype="<u2").tobytes())


@pytest.mark.parametrize("name", BLOCKS)
def test_every_scale(name):
    """Half precision scales over random content. Small blocks get all 65536 scales. Larger blocks get every 41st, which
    includes every exponent, since the reference would take seconds. Even then every point of a grid comes up 25 times
    on average."""
    rng = np.random.default_rng(0)
    scales = np.arange(0, 65536, 1 if SIZES[name][0] <= 64 else 41, dtype=np.uint16)
    blocks = rng.integers(0, 256, (len(scales), SIZES[name][1]), np.uint8)
    put_scales(name, blocks, scales.view(np.float16))
    if len(HALF_SCALES[name]) == 2:  # scale and minimum change independently
        first, second = HALF_SCALES[name]
        blocks[:, second : second + 2] = rng.permutation(blocks[:, first : first + 2])
    assert_same_as_reference(name, blocks.tobytes())


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("content", [0x00, 0x01, 0x55, 0x7F, 0x80, 0xAA, 0xFF])
def test_extreme_scales_over_extreme_content(name, content):
    """Among these are scales of sub-blocks that are all zero, all negative or as large as possible."""
    blocks = np.full((len(EXTREME_SCALES), SIZES[name][1]), content, np.uint8)
    put_scales(name, blocks, EXTREME_SCALES.view(np.float16))
    assert_same_as_reference(name, blocks.tobytes())


@pytest.mark.parametrize(("name", "num_scales"), [("MXFP4", 1), ("NVFP4", 4)])
@pytest.mark.parametrize("content", [0x00, 0x10, 0x98, 0xEF])
def test_every_8_bit_scale(name, num_scales, content):
    """E8M0 goes down to 2^-128, a denormal, and 255 is NaN. UE4M3 here has its sign bit set, denormals, and 0x7f and
    0xff, which mean 0."""
    blocks = np.full((256 * num_scales, SIZES[name][1]), content, np.uint8)
    blocks[:, :num_scales] = 0x30
    for sub_block in range(num_scales):
        blocks[256 * sub_block : 256 * (sub_block + 1), sub_block] = np.arange(256)
    assert_same_as_reference(name, blocks.tobytes())


@pytest.mark.parametrize("name", SIZES)
def test_empty_row(name):
    assert decode(name, b"").shape == (0,)


@given(st.integers(0, 7), st.integers(0, 63), st.integers(0, 63))
@example(4, 63, 0)
@example(7, 0, 63)
def test_q4_k_scales_and_minimums(sub_block, scale, minimum):
    """The 6-bit scale and minimum of one sub-block, packed by hand: x = scale * q - minimum where d = dmin = 1."""
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
