import numpy as np


def expert_combine(y, weights, slot_of_pair):
    """y [slots, D]; weights, slot_of_pair [R, A]."""
    return np.sum(weights[:, :, None] * y[slot_of_pair], axis=1)
