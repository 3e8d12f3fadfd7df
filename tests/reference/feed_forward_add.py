import numpy as np

from reference.rms_norm import rms_norm, rms_norm_add


def combine(experts, weights, slot_of_pair):
    """experts [slots, D]; weights, slot_of_pair [R, A]."""
    return np.sum(weights[:, :, None] * experts[slot_of_pair], axis=1)


def feed_forward_add(mlp, experts, weights, slot_of_pair, norms, eps, scales, residual):
    """norms: of the MLP, of the experts, of their sum, each [D]. scales [R, 1]."""
    of_experts = rms_norm(combine(experts, weights, slot_of_pair), norms[1], eps)
    return rms_norm_add(rms_norm(mlp, norms[0], eps) + of_experts, norms[2], eps, scales, residual)
