import numpy as np

from reference.expert_linear import expert_linear
from reference.gelu_mul import gelu_mul


def expert_gated_linear(x, gate, up, expert_of_slot, row_of_slot, gate_scale, up_scale):
    """Slot s is x[row_of_slot[s]] through gate and up of its expert. gate, up [E, N, K]; scales [E]."""
    gated = expert_linear(x, gate, expert_of_slot, row_of_slot, gate_scale)
    return gelu_mul(gated, expert_linear(x, up, expert_of_slot, row_of_slot, up_scale))


def magnitude(x, gate, up, expert_of_slot, row_of_slot, gate_scale, up_scale):
    """The size of a slot's gate and up products. The errors of the result grow in proportion to it."""
    squares = [
        expert_linear(x.astype(float) ** 2, weight.astype(float) ** 2, expert_of_slot, row_of_slot, scale**2)
        for weight, scale in ((gate, gate_scale), (up, up_scale))
    ]
    of_gate, of_up = (np.sqrt(square.max(axis=1, initial=0)) for square in squares)
    return np.maximum(of_gate, 1) * np.maximum(of_up, 1)
