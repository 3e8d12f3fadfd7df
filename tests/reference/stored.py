"""Weights as a file stores them: (type name, shape, bytes), and the float32 values those bytes mean."""

import gguf
import numpy as np
from gguf.quants import dequantize, quantize

FORMATS = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K"]
# Row lengths around the 16 lanes of the inner loops and around whole blocks.
COLUMNS = [
    *[(name, columns) for name in ("F32", "F16", "BF16") for columns in (1, 15, 16, 17, 32, 50)],
    *[(name, columns) for name in ("Q8_0", "Q4_0") for columns in (32, 64, 96)],
    *[("Q4_K", columns) for columns in (256, 512)],
]


def as_stored(name, values):
    """`values` in a format that package gguf can write."""
    blocks = np.ascontiguousarray(quantize(values.astype(np.float32), gguf.GGMLQuantizationType[name]))
    return (name, list(values.shape), blocks.view(np.uint8).reshape(-1))


def values_of(stored):
    name, shape, data = stored
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    rows = data.reshape(-1, shape[-1] // elements * size)
    return dequantize(rows, gguf.GGMLQuantizationType[name]).astype(np.float32).reshape(shape)


def random_weight(rng, name, shape):
    """Values of about unit size."""
    if name == "Q4_K":  # which package gguf reads but does not write: random nibbles under sane scales
        blocks = rng.integers(0, 256, (*shape[:-1], shape[-1] // 256, 144), np.uint8)
        scales = rng.uniform(0.001, 0.01, (*blocks.shape[:-1], 2)).astype(np.float16)
        blocks[..., :4] = scales.view(np.uint8)
        return (name, list(shape), blocks.reshape(-1))
    return as_stored(name, rng.standard_normal(shape))


def vector(values):
    """An F32 vector."""
    return as_stored("F32", np.atleast_1d(np.asarray(values, np.float32)))
