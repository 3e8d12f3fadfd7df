"""Brute force for quantisers: the smallest weighted error that dense grids of scales find, block by block.

x and w are float64 [blocks, parts, N]: the values, and the importance of each value. All functions return [blocks].
"""

import numpy as np

E2M1 = np.array([-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12], np.float64)
IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float64)


def nearest(levels, y):
    return levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, y)]


def errors(levels, x, w, scales, mins):
    """The errors [..., S] of x [..., N] rounded to scale * level + min, for scales and mins [..., S]."""
    x, w, scales, mins = x[..., None, :], w[..., None, :], scales[..., None], mins[..., None]
    level = nearest(levels, (x - mins) / np.where(scales == 0, 1, scales))
    return (w * (x - scales * level - mins) ** 2).sum(-1)


def as_half(values):
    return values.astype(np.float16).astype(np.float64)


def scale_grid(levels, x, size):
    """Scales [..., size], of both signs. The largest |x| becomes 0.65 to 1.25 times the highest level."""
    ends = np.linspace(0.65, 1.25, size // 2) * levels.max()
    return np.abs(x).max(-1)[..., None] / np.concatenate([ends, -ends])


def any_scale(levels, x, w, size=400):
    """The error with one scale for each part, in half precision."""
    scales = as_half(scale_grid(levels, x, size))
    return errors(levels, x, w, scales, np.zeros_like(scales)).min(-1).sum(-1)


def listed_scale(levels, x, w, scales):
    """The error with one scale for each part, out of a list."""
    scales = np.broadcast_to(scales, (*x.shape[:-1], len(scales)))
    return errors(levels, x, w, scales, np.zeros_like(scales)).min(-1).sum(-1)


def steps(values, extreme, count):
    """Steps [blocks, count]. Divided by them, the farthest of `values` [blocks, parts] is 0.8 to 1 times `extreme`."""
    farthest = np.take_along_axis(values, np.abs(values).argmax(-1)[:, None], -1)
    return as_half(farthest / (extreme * np.linspace(1, 0.8, count)))


def super_scale(levels, integers, x, w, count=8):
    """The error where a part's scale is an integer times d. It tries all integers for each part, and several d."""
    grid = scale_grid(levels, x, 64)
    fits = errors(levels, x, w, grid, np.zeros_like(grid)).argmin(-1)
    fits = np.take_along_axis(grid, fits[..., None], -1)[..., 0]
    found = []
    for d in steps(fits, integers[0], count).T:
        scales = np.broadcast_to(d[:, None, None] * integers, (*x.shape[:-1], len(integers)))
        found.append(errors(levels, x, w, scales, np.zeros_like(scales)).min(-1).sum(-1))
    return np.min(found, 0)


def affine_grid(levels, x, size, highest_min):
    """Scales and mins [..., size^2]. The lowest and the highest level lie near the ends of x's range: from 5 % outside
    to 25 % inside."""
    low, high = np.minimum(x.min(-1), highest_min)[..., None, None], x.max(-1)[..., None, None]
    inset = np.linspace(-0.05, 0.25, size) * (high - low)
    low = np.minimum(low + np.swapaxes(inset, -1, -2), highest_min)
    scales = np.maximum(high - inset - low, 0) / levels.max()
    return scales.reshape(*x.shape[:-1], -1), np.broadcast_to(low, scales.shape).reshape(*x.shape[:-1], -1)


def super_affine(levels, top, x, w, count=2):
    """The error where a part's scale is an integer times d and its min another integer times dmin. It tries all pairs
    of integers for each part, and several d and dmin."""
    scales, mins = affine_grid(levels, x, 20, 0.0)
    fits = errors(levels, x, w, scales, mins).argmin(-1)[..., None]
    scales, mins = (np.take_along_axis(values, fits, -1)[..., 0] for values in (scales, mins))
    integers = np.arange(top + 1.0)
    found = []
    for d in steps(scales, top, count).T:
        for dmin in steps(-mins, top, count).T:
            shape = (*x.shape[:-1], top + 1, top + 1)
            pairs = (d[:, None, None, None] * integers[:, None], -dmin[:, None, None, None] * integers)
            pairs = [np.broadcast_to(pair, shape).reshape(*x.shape[:-1], -1) for pair in pairs]
            best = [
                errors(levels, x[:, j], w[:, j], *[pair[:, j] for pair in pairs]).min(-1) for j in range(x.shape[1])
            ]
            found.append(np.sum(best, 0))
    return np.min(found, 0)
