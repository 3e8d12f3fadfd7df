"""Weights as a file stores them, (type name, shape, bytes), and the float32 values of these bytes."""

import gguf
import numpy as np
from gguf.quants import dequantize, quantize

from gesso import _native

# The elements and the bytes of a block, for every type that gesso reads.
SIZES = {kind.name: (kind.block_elements, kind.block_bytes) for kind in _native.tensor_types() if kind.can_read}
FLOATS = [name for name, (elements, _) in SIZES.items() if elements == 1]
BLOCKS = [name for name in SIZES if name not in FLOATS]
# The byte offsets of a block's float16 scales. IQ1_M stores its scale in four pieces. MXFP4 and NVFP4 have 8-bit
# scales.
HALF_SCALES = {
    **dict.fromkeys(("Q8_0", "Q4_0", "Q5_0", "IQ4_NL", "IQ4_XS", "Q1_0", "Q2_0"), (0,)),
    **dict.fromkeys(("IQ1_S", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"), (0,)),
    **dict.fromkeys(("Q4_1", "Q5_1", "Q4_K", "Q5_K"), (0, 2)),
    **dict.fromkeys(("IQ1_M", "MXFP4", "NVFP4"), ()),
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q6_K": (208,),
    "TQ1_0": (52,),
    "TQ2_0": (64,),
}
# Row lengths around the 16 lanes of the inner loops, and rows of one and of three blocks.
COLUMNS = [
    *[(name, columns) for name in FLOATS for columns in (1, 15, 16, 17, 32, 50)],
    *[(name, blocks * SIZES[name][0]) for name in BLOCKS for blocks in (1, 3)],
]


def as_stored(name, values):
    """`values` in a format that the package gguf can write."""
    blocks = np.ascontiguousarray(quantize(values.astype(np.float32), gguf.GGMLQuantizationType[name]))
    return (name, list(values.shape), blocks.view(np.uint8).reshape(-1))


def decoded(name, blocks):
    """The float32 values [N, block elements] of blocks, uint8 [N, block bytes]. The package gguf decodes the types that
    it knows.

    NVFP4's scales have no sign, and the code of NaN counts as 0. The package and ggml's C code look for that code
    before they drop the sign, so they read 0xff as 480. ggml's CUDA code reads it as 0, as gesso does: a GPU's products
    of 4-bit floats have no scale of 480."""
    scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    if name == "Q1_0":
        return np.where(np.unpackbits(blocks[:, 2:], axis=1, bitorder="little"), scales, -scales)
    if name == "Q2_0":
        crumbs = blocks[:, 2:, None] >> np.arange(0, 8, 2, dtype=np.uint8) & 3
        return scales * (crumbs.reshape(len(blocks), -1).astype(np.float32) - 1)
    if name == "NVFP4":
        blocks = blocks.copy()
        blocks[:, :4] &= 0x7F
    return dequantize(blocks, gguf.GGMLQuantizationType[name]).astype(np.float32)


def values_of(stored):
    name, shape, data = stored
    return decoded(name, data.reshape(-1, SIZES[name][1])).reshape(shape)


def put_scales(name, blocks, scales):
    """Writes `scales` [N] over every float16 scale of `blocks`, uint8 [N, block bytes]."""
    scales = scales.astype(np.float16).view(np.uint8).reshape(-1, 2)
    for offset in HALF_SCALES[name]:
        blocks[:, offset : offset + 2] = scales
    if name == "IQ1_M":  # four bits in the top of each of the last four 16-bit words, lowest first
        nibbles = np.stack([scales[:, 0] & 15, scales[:, 0] >> 4, scales[:, 1] & 15, scales[:, 1] >> 4], axis=1)
        blocks[:, 49::2] = blocks[:, 49::2] & 15 | nibbles << 4


def random_blocks(rng, name, count):
    """uint8 [count, block bytes]: random content, with scales of ordinary size."""
    blocks = rng.integers(0, 256, (count, SIZES[name][1]), np.uint8)
    put_scales(name, blocks, rng.uniform(0.001, 0.01, count))
    if name == "MXFP4":
        blocks[:, 0] = rng.integers(118, 126, count)  # 2^(e - 128)
    if name == "NVFP4":
        blocks[:, :4] = rng.integers(0x10, 0x30, (count, 4))  # 2^-5 to 2^-1
    return blocks


def random_weight(rng, name, shape):
    """A random weight with values of about unit size. In types with blocks the size may differ by a factor of about
    ten."""
    if name in FLOATS:
        return as_stored(name, rng.standard_normal(shape))
    count = int(np.prod(shape)) // SIZES[name][0]
    return (name, list(shape), random_blocks(rng, name, count).reshape(-1))


def vector(values):
    """A vector, stored as F32."""
    return as_stored("F32", np.atleast_1d(np.asarray(values, np.float32)))
