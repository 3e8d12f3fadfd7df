"""The device on which the tested ops run, and how its matrix products round their float operands."""

import ml_dtypes
import numpy as np

from gesso import _ops

# On a GPU, products with these types round activations to blocks of 8-bit integers where int8 is asked for.
GPU_INT8_TYPES = {
    *("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"),
    *("IQ4_NL", "IQ4_XS", "MXFP4", "NVFP4"),
}
CPU_INT8_TYPES = GPU_INT8_TYPES | {"Q2_K", "Q3_K"}
name, activations = "cpu", "f32"


def use(device: str, kind: str) -> None:
    """Selects the device: "cpu" with "f32" or "int8", or "cuda" with "bf16" or "int8"."""
    global name, activations
    name, activations = device, kind
    _ops.use_device("cpu" if device == "cpu" else "cuda:0", kind)


def is_cpu() -> bool:
    return name == "cpu"


def round_operand(x: np.ndarray, stored: str, is_weight: bool = False) -> np.ndarray:
    """A float32 operand [..., K] as a product with a weight of type `stored` rounds it. It may be the rows or the
    weight."""
    if activations == "int8" and stored in (CPU_INT8_TYPES if is_cpu() else GPU_INT8_TYPES):
        # The CPU multiplies with the weight's own integers. For some types a GPU uses 4-bit floats, which are as exact
        # as 8-bit integers.
        return x if is_weight and is_cpu() else to_int8_blocks(x, 64 if is_cpu() else 32)
    if is_cpu():
        return x
    return x.astype(ml_dtypes.bfloat16).astype(np.float32)


def to_int8_blocks(x: np.ndarray, size: int) -> np.ndarray:
    """Rounds blocks of `size` along the last axis to integers times max |x| / 127. The last block may be smaller."""
    columns = x.shape[-1]
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -columns % size)])
    blocks = padded.reshape(*x.shape[:-1], -1, size)
    scale = np.abs(blocks).max(-1, keepdims=True) / np.float32(127)
    rounded = np.rint(np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale > 0)) * scale
    return rounded.reshape(padded.shape)[..., :columns].astype(np.float32)
