import numpy as np

from reference.rms_norm import rms_norm


def inverse_frequencies(theta, head_dim, partial=1.0):
    """float32 [K/2]: theta^(-2i/K) for the first `partial` of the pairs, 0 for the others, which do not rotate."""
    i = np.arange(head_dim // 2)
    return np.where(i < partial * (head_dim // 2), theta ** (-2.0 * i / head_dim), 0.0).astype(np.float32)


def rope(heads, positions, inv_freq):
    """heads [R, H, K]. Dim i is rotated with dim i + K/2. The angle is rounded to float32, as in the reference
    model."""
    angle = np.float32(positions)[:, None] * inv_freq.astype(np.float32)
    cos, sin = (f(angle.astype(np.float64)).astype(heads.dtype)[:, None, :] for f in (np.cos, np.sin))
    low, high = np.split(heads, 2, axis=-1)
    return np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)


def normed_heads(x, weight, eps, head_dim):
    return rms_norm(x.reshape(len(x), -1, head_dim), weight, eps)


def normed_and_rotated(x, weight, eps, positions, inv_freq):
    """Queries or keys, [R, heads * K]."""
    heads = normed_heads(x, weight, eps, 2 * len(inv_freq))
    return rope(heads, positions, inv_freq).reshape(x.shape)


def normed(x, eps, head_dim):
    """Values, [R, heads * K]."""
    return normed_heads(x, None, eps, head_dim).reshape(x.shape)
