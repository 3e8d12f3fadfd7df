import numpy as np


def softmax(z):
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def soft_embed(logits, table, scale):
    return softmax(logits) @ table * scale


def magnitude(logits, table, scale):
    """The size of what a row sums, for the tolerance rule."""
    p, table = softmax(logits.astype(np.float64)), table.astype(np.float64)
    return np.sqrt(np.max((p * p) @ (table * table), axis=-1, initial=0)) * abs(scale)
