from reference.linear import linear
from reference.route import expert_weights


def router_weights(x, weight, per_expert_scale, experts, scale=1.0):
    """[R, A]: the weights of the given experts, whose scores are products of x with the rows of weight."""
    return expert_weights(linear(x, weight, scale), experts, per_expert_scale)
