import numpy as np


def weights(z):
    """softmax(z) without its division by the sum."""
    return np.exp(z - z.max(axis=-1, keepdims=True))


def softmax(z):
    p = weights(z)
    return p / p.sum(axis=-1, keepdims=True)


def soft_embed(logits, table, scale):
    return softmax(logits) @ table * scale


def weighted_mean(weights, table, scale):
    """soft_embed from `weights`. This is the matrix product whose operands a GPU rounds."""
    return weights @ table / weights.sum(axis=-1, keepdims=True) * scale


def magnitude(logits, table, scale):
    """The size of the terms that a row sums, for the tolerance rule."""
    p, table = softmax(logits.astype(np.float64)), table.astype(np.float64)
    return np.sqrt(np.max((p * p) @ (table * table), axis=-1, initial=0)) * abs(scale)
