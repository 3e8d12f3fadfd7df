import numpy as np


def linear(x, weight, scale=1.0):
    return x @ weight.T * scale


def magnitude(x, weight, scale=1.0):
    """The size of the terms that a row sums, for the tolerance rule: sqrt(sum_k (x_k w_k)^2) of its largest output."""
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    return np.sqrt(np.max((x * x) @ (weight * weight).T, axis=-1, initial=0)) * abs(scale)
