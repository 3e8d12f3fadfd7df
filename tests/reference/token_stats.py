import numpy as np

from reference.soft_embed import softmax


def entropy(z):
    """Of softmax(z) in nats; what has no probability adds nothing."""
    p = softmax(z)
    log_p = np.log(np.where(p > 0, p, 1))
    return -np.sum(p * log_p, axis=-1)


def sample(z, gumbel):
    """One draw from softmax(z) by the Gumbel maximum."""
    return np.argmax(z + gumbel, axis=-1)
