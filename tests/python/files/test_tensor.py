"""gesso.quantize and gesso.dequantize: from values to blocks and back."""

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize

import gesso

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["F32", "BF16", "Q8_0", "Q4_K", "NVFP4"])
@pytest.mark.parametrize("shape", [(256,), (3, 512), (2, 1, 256), (0, 256)])
def test_rows_of_any_shape(dtype, shape):
    values = RNG.standard_normal(shape).astype(np.float32)
    stored = gesso.quantize(values, dtype)
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[dtype]]
    assert stored.dtype == np.uint8
    assert stored.shape == (*shape[:-1], shape[-1] // elements * size)
    decoded = gesso.dequantize(stored, dtype)
    assert decoded.shape == shape
    if values.size:
        np.testing.assert_array_equal(decoded, dequantize(stored, gguf.GGMLQuantizationType[dtype]))
        # Storing zeros would give an error of sum(values^2), and a wrong order of rows or columns about twice as much.
        assert ((decoded - values) ** 2).sum() < (values**2).sum() / 2


def test_importance_is_for_columns():
    values = RNG.standard_normal((8, 256)).astype(np.float32)
    importance = np.where(np.arange(256) % 2, 1.0, 1e-3)
    errors = [
        (gesso.dequantize(gesso.quantize(values, "Q4_0", importance=i), "Q4_0") - values) ** 2
        for i in (None, importance)
    ]
    plain, weighted = ((error * importance).sum() for error in errors)
    assert weighted < plain


def test_strided_arrays_and_lists():
    values = RNG.standard_normal((64, 32)).astype(np.float32)
    np.testing.assert_array_equal(gesso.quantize(values.T[::2], "Q8_0"), gesso.quantize(values.T[::2].copy(), "Q8_0"))
    assert gesso.dequantize(gesso.quantize([1.0, 2.0], "F32"), "F32").tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gesso.quantize(np.ones(32), "Q4_9"), "unknown tensor type 'Q4_9'; known: F32, F16"),
        (
            lambda: gesso.quantize(np.ones(32), "IQ1_S"),
            "rows of 32 elements are no whole number of IQ1_S blocks",
        ),
        (lambda: gesso.quantize(np.ones(256), "IQ1_S"), "cannot write type IQ1_S; supported: F32"),
        (lambda: gesso.quantize(np.full(32, np.nan), "Q8_0"), "element 0 is nan, which Q8_0 cannot hold"),
        (lambda: gesso.quantize(np.ones(32), "Q8_0", importance=np.ones(31)), "importance: expected 32 values, got 31"),
        (lambda: gesso.dequantize(np.zeros(35, np.uint8), "Q8_0"), "35 bytes are no whole number of Q8_0 blocks of 34"),
        (lambda: gesso.dequantize(np.zeros(34, np.int8), "Q8_0"), "expected uint8 .*, got int8 "),
        (lambda: gesso.dequantize(np.zeros(8, np.uint8), "I64"), "cannot read type I64; supported: F32"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(gesso.ArgumentError, match=message):
        call()
