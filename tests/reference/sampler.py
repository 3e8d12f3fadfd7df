import numpy as np


def accept(entropies, pinned, entropy_bound):
    """bool [C]. In the order of rising entropy, a position is accepted while the entropies before it sum to at most the
    bound."""
    entropies = np.asarray(entropies, np.float32)
    accepted = np.isin(np.arange(len(entropies)), pinned)
    order = [i for i in np.argsort(entropies, kind="stable") if not accepted[i]]
    sums = np.cumsum(entropies[order], dtype=np.float64).astype(np.float32)  # as torch sums values of float32
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which exceeds every bound
        accepted[order] = sums - entropies[order] <= np.float32(entropy_bound)
    return accepted


def temperature(t_min, t_max, step, num_steps):
    """The temperature of a step; step 0 is the first of num_steps."""
    return t_min + (t_max - t_min) * (num_steps - step) / num_steps


def stops(argmaxes, mean_entropies, stability_threshold, confidence_threshold):
    """For each step, whether the canvas may stop after it, given all argmax canvases and mean entropies up to it."""
    result = []
    for n in range(len(argmaxes)):
        recent = argmaxes[max(0, n - stability_threshold) : n + 1]
        stable = len(recent) == stability_threshold + 1 and all(canvas == recent[0] for canvas in recent)
        result.append(stable and mean_entropies[n] < confidence_threshold)
    return result
