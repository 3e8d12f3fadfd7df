import numpy as np


def rms_norm(x, weight, eps, scale=1.0):
    normed = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    return (normed if weight is None else normed * weight) * scale


def rms_norm_add(x, weight, eps, scale, residual):
    return (residual + rms_norm(x, weight, eps)) * scale
