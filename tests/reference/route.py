import numpy as np


def top_experts(scores, num_active):
    """int [R, A]: the best experts, the best first. Among equal scores the lower expert comes first."""
    return np.argsort(-scores, axis=-1, kind="stable")[:, :num_active]


def expert_weights(scores, experts, per_expert_scale):
    """[R, A]: the softmax over all experts, scaled so that the chosen ones sum to 1, times each expert's scale."""
    r = np.exp(scores - scores.max(axis=-1, keepdims=True))
    chosen = np.take_along_axis(r / r.sum(axis=-1, keepdims=True), experts, axis=-1)
    return chosen / chosen.sum(axis=-1, keepdims=True) * per_expert_scale[experts]


def slots(experts, num_experts):
    """The pairs sorted by expert, then by token: slot_of_pair [R, A], token_of_slot [R * A], offsets [E + 1]."""
    order = np.argsort(experts.reshape(-1), kind="stable")
    slot_of_pair = np.argsort(order).reshape(experts.shape)
    counts = np.bincount(experts.reshape(-1), minlength=num_experts)
    return slot_of_pair, order // experts.shape[1], np.concatenate([[0], np.cumsum(counts)])
