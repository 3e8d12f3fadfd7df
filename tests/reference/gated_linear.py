import numpy as np

from reference import linear
from reference.gelu_mul import gelu_mul


def gated_linear(x, gate, up, gate_scale=1.0, up_scale=1.0):
    return gelu_mul(linear.linear(x, gate, gate_scale), linear.linear(x, up, up_scale))


def magnitude(x, gate, up, gate_scale=1.0, up_scale=1.0):
    """The size of a row's gate and up products. The errors of the result grow in proportion to it."""
    of_gate, of_up = linear.magnitude(x, gate, gate_scale), linear.magnitude(x, up, up_scale)
    return np.maximum(of_gate, 1) * np.maximum(of_up, 1)
