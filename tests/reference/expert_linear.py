import numpy as np


def expert_linear(x, weight, expert_of_slot, row_of_slot, scale):
    """Slot s is x[row_of_slot[s]] times the matrix of its expert. weight [E, N, K]; scale [E]."""
    rows = [weight[e] @ x[r] * scale[e] for e, r in zip(expert_of_slot, row_of_slot, strict=True)]
    return np.array(rows, x.dtype).reshape(len(rows), weight.shape[1])
