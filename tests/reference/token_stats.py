import numpy as np

from reference.soft_embed import softmax


def entropy(z):
    """The entropy of softmax(z) in nats. A token without probability adds 0."""
    p = softmax(z)
    log_p = np.log(np.where(p > 0, p, 1))
    return -np.sum(p * log_p, axis=-1)


def sample(z, gumbel):
    """One draw from softmax(z): the argmax of z plus Gumbel noise."""
    return np.argmax(z + gumbel, axis=-1)
