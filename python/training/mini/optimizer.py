"""Muon for the matrices, AdamW for embeddings, norms and scalars.

Muon makes the momentum of a matrix nearly orthogonal before it steps (K. Jordan, 2024). Here matrices of one shape go
together, and each expert's matrix counts as one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonal(x: Tensor) -> Tensor:
    """Returns matrices, [N, rows, columns], with all singular values near 1. It computes in bfloat16."""
    a, b, c = COEFFICIENTS
    tall = x.shape[1] > x.shape[2]
    x = (x.mT if tall else x).bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).float()


class Muon:
    def __init__(self, parameters: list[nn.Parameter], rate: float, momentum: float = 0.95, decay: float = 0.05):
        self.parameters, self.rate, self.momentum, self.decay = parameters, rate, momentum, decay
        self.velocity = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """scale: of the learning rate, from the schedule."""
        groups: dict[tuple[int, ...], list[tuple[nn.Parameter, Tensor]]] = {}
        for parameter, velocity in zip(self.parameters, self.velocity, strict=True):
            gradient = parameter.grad
            if gradient is None:  # the self-conditioning in a step without it
                continue
            velocity.lerp_(gradient, 1 - self.momentum)
            update = gradient.lerp(velocity, self.momentum)
            groups.setdefault(tuple(parameter.shape[-2:]), []).append((parameter, update))
        for (rows, columns), members in groups.items():
            stacked = torch.cat([update.view(-1, rows, columns) for _, update in members])
            steps = orthogonal(stacked) * max(1, rows / columns) ** 0.5
            sizes = [update.view(-1, rows, columns).shape[0] for _, update in members]
            for (parameter, _), step in zip(members, steps.split(sizes), strict=True):
                parameter.mul_(1 - self.rate * scale * self.decay)
                parameter.sub_(step.view_as(parameter), alpha=self.rate * scale)


class Optimizer:
    """Both optimizers of a model. muon_rate, adam_rate: the learning rates at the top of the schedule."""

    def __init__(self, model: nn.Module, muon_rate: float, adam_rate: float):
        named = list(model.named_parameters())
        matrices = [p for name, p in named if p.ndim >= 2 and "embed" not in name and "router" not in name]
        known = {id(p) for p in matrices}
        self.muon = Muon(matrices, muon_rate)
        self.adam_rate = adam_rate
        rest = [p for _, p in named if id(p) not in known]
        self.adam = torch.optim.AdamW(rest, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0)

    def step(self, scale: float) -> None:
        for group in self.adam.param_groups:
            group["lr"] = self.adam_rate * scale
        self.adam.step()
        self.muon.step(scale)

    def state(self) -> dict[str, Any]:
        return {"adam": self.adam.state_dict(), "muon": self.muon.velocity}

    def load(self, state: dict[str, Any]) -> None:
        self.adam.load_state_dict(state["adam"])
        for velocity, saved in zip(self.muon.velocity, state["muon"], strict=True):
            velocity.copy_(saved)
