import numpy as np


def linear(x, weight, scale=1.0):
    return x @ weight.T * scale


def magnitude(x, weight, scale=1.0):
    """The size of what a row sums: sqrt(sum_k (x_k w_k)^2) of its largest output. For the tolerance rule."""
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    return np.sqrt(np.max((x * x) @ (weight * weight).T, axis=-1, initial=0)) * abs(scale)
