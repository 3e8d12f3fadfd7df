import numpy as np

from reference.soft_embed import softmax


def entropy(z):
    """The entropy of softmax(z) in nats. A token without probability adds 0."""
    p = softmax(z)
    log_p = np.log(np.where(p > 0, p, 1))
    return -np.sum(p * log_p, axis=-1)


def log_sum(z):
    """ln of the sum of e^z."""
    largest = z.max(axis=-1, keepdims=True)
    return np.log(np.sum(np.exp(z - largest), axis=-1)) + largest[..., 0]


def top(z, num_top):
    """z and id of the tokens with the largest z, the lower id first among equals; -inf and -1 where there is none."""
    count = min(num_top, z.shape[-1])
    ids = np.argsort(-z, axis=-1, kind="stable")[:, :count].astype(np.int32)  # NaN comes last
    values = np.take_along_axis(z, ids, -1)
    is_there = values > -np.inf
    padding = [(0, 0), (0, num_top - count)]
    values = np.pad(np.where(is_there, values, -np.inf), padding, constant_values=-np.inf)
    return values.astype(z.dtype), np.pad(np.where(is_there, ids, -1), padding, constant_values=-1).astype(np.int32)


def sample(z, gumbel):
    """One draw from softmax(z): the argmax of z plus Gumbel noise."""
    return np.argmax(z + gumbel, axis=-1)
