"""A layer: attention, and behind it the dense MLP beside the experts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from mini import fused
from mini.attention import Attention
from mini.experts import mixture
from mini.parameters import GatedMlp, Matrix, Norm, normal
from mini.sizes import Sizes


class Router(nn.Module):
    def __init__(self, sizes: Sizes):
        super().__init__()
        self.proj = Matrix(sizes.experts, sizes.hidden)
        self.scale = nn.Parameter(torch.ones(sizes.hidden))
        self.per_expert_scale = nn.Parameter(torch.ones(sizes.experts))
        self.active = sizes.active_experts

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the weights and the numbers of each row's experts, [R, A], and the loss of uneven use."""
        share = self.proj(fused.router_input(x, self.scale)).softmax(dim=1)
        weights, chosen = share.topk(self.active, dim=1)
        used = torch.bincount(chosen.flatten(), minlength=share.shape[1]) / chosen.numel()
        uneven = share.shape[1] * (used * share.mean(dim=0)).sum()
        weights = weights / weights.sum(dim=1, keepdim=True)
        return weights * embedding(chosen, self.per_expert_scale[:, None]).squeeze(2), chosen, uneven


class Experts(nn.Module):
    def __init__(self, sizes: Sizes):
        super().__init__()
        self.gate_up_proj = normal(sizes.experts, 2 * sizes.expert, sizes.hidden, std=sizes.hidden**-0.5)
        self.down_proj = normal(sizes.experts, sizes.hidden, sizes.expert, std=sizes.expert**-0.5)

    def forward(self, x: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        return mixture(x, weights, chosen, self.gate_up_proj, self.down_proj)


class Layer(nn.Module):
    def __init__(self, sizes: Sizes, full: bool):
        super().__init__()
        self.self_attn = Attention(sizes, full)
        self.mlp = GatedMlp(sizes.hidden, sizes.dense)
        self.router, self.experts = Router(sizes), Experts(sizes)
        self.input_layernorm = Norm(sizes.hidden)
        self.post_attention_layernorm = Norm(sizes.hidden, 0.5)
        self.pre_feedforward_layernorm = Norm(sizes.hidden)
        self.pre_feedforward_layernorm_2 = Norm(sizes.hidden)
        self.post_feedforward_layernorm_1 = Norm(sizes.hidden)
        self.post_feedforward_layernorm_2 = Norm(sizes.hidden)
        self.post_feedforward_layernorm = Norm(sizes.hidden, 0.5)
        self.layer_scalar = nn.Parameter(torch.ones(1))

    def feed_forward(self, h: Tensor, scalar: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Returns the rows behind the layer, and the loss of uneven use."""
        dense = self.mlp(fused.norm(h, self.pre_feedforward_layernorm.weight, dtype))
        weights, chosen, uneven = self.router(h)
        sparse = self.experts(fused.norm(h, self.pre_feedforward_layernorm_2.weight, dtype), weights, chosen)
        norms = (
            self.post_feedforward_layernorm_1.weight,
            self.post_feedforward_layernorm_2.weight,
            self.post_feedforward_layernorm.weight,
        )
        return fused.add_two_norms(h, dense, norms[0], sparse, norms[1], norms[2], scalar), uneven

    def add_attended(self, h: Tensor, attended: list[Tensor]) -> Tensor:
        """attended: of each chunk."""
        return fused.add_norm(h, self.self_attn.o_proj(torch.cat(attended)), self.post_attention_layernorm.weight)
