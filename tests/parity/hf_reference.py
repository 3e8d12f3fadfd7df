"""Asks the reference the questions that the tests ask gesso."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
import torch
from transformers import DiffusionGemmaForBlockDiffusion, DynamicCache
from transformers.models.diffusion_gemma.generation_diffusion_gemma import EntropyBoundSamplerConfig

from parity import draws

# transformers has called it `cache` since 5.24.
CACHE = (
    "cache" if "cache" in inspect.signature(DiffusionGemmaForBlockDiffusion.generate).parameters else "past_key_values"
)


@torch.no_grad()
def encode(model: DiffusionGemmaForBlockDiffusion, ids: Sequence[int]) -> DynamicCache:
    """The cache after one pass over one sequence."""
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    model.model.encoder(input_ids=torch.tensor([list(ids)]), **{CACHE: cache})
    return cache


@torch.no_grad()
def denoise(
    model: DiffusionGemmaForBlockDiffusion, cache: DynamicCache, canvas: np.ndarray, z: np.ndarray | None = None
) -> np.ndarray:
    """The logits, float32 [C, V], for one canvas [C]. z [C, V] are the logits for self-conditioning."""
    signal = None if z is None else torch.from_numpy(np.asarray(z, np.float32))[None]
    ids = torch.from_numpy(np.asarray(canvas, np.int64))[None]
    out = model(decoder_input_ids=ids, self_conditioning_logits=signal, **{CACHE: cache})
    return out.logits[0].numpy()


@contextlib.contextmanager
def router_margin(model: DiffusionGemmaForBlockDiffusion) -> Iterator[list[float]]:
    """Collects one number per call of a router: the smallest gap between the scores of a chosen and a rejected expert.

    Where the gap is as small as rounding errors, the reference itself may choose either expert.
    """
    gaps: list[float] = []

    def record(module, inputs, outputs):
        k = module.config.top_k_experts
        if k < module.config.num_experts:
            scores = outputs[0].log().sort(dim=-1, descending=True).values
            gaps.append(float((scores[:, k - 1] - scores[:, k]).min()))

    routers = [m for m in model.modules() if type(m).__name__ == "DiffusionGemmaTextRouter"]
    handles = [router.register_forward_hook(record) for router in routers]
    try:
        yield gaps
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class Generation:
    """What the reference's generate() did, in the terms of gesso's GenerationOutput."""

    sequences: list[list[int]]  # up to and without the first end token
    canvases: list[np.ndarray]  # [num_canvases, C] of each sequence, up to the canvas with its end
    denoising_steps: list[list[int]]
    tokens_per_forward: list[float]
    cache: Any
    margin: float  # the smallest distance of any decision from going the other way


@dataclass
class SharedDraws:
    """While active, the reference's generate() draws what gesso would draw for the same seeds.

    generate() draws in this order: uniform ids when a canvas starts, then in each step one multinomial draw and uniform
    ids again.
    """

    model: DiffusionGemmaForBlockDiffusion
    seeds: Sequence[int]
    first_position: int
    entropy_bound: float
    confidence_threshold: float
    canvas: int = -1
    step: int = 0
    inside_step: bool = False
    margin: float = np.inf
    steps: list[np.ndarray] = field(default_factory=list)  # per canvas, [B]

    @contextlib.contextmanager
    def active(self) -> Iterator[SharedDraws]:
        self.original_step = self.model._denoising_step
        with (
            mock.patch.object(torch, "randint", self.randint),
            mock.patch.object(torch, "multinomial", self.multinomial),
            mock.patch.object(self.model, "_denoising_step", self.denoising_step),
        ):
            yield self

    @property
    def canvas_length(self) -> int:
        return self.model.config.canvas_length

    @property
    def position(self) -> int:
        return self.first_position + self.canvas * self.canvas_length

    def randint(self, low: int, high: int, size: tuple[int, int], device: Any = None) -> torch.Tensor:
        assert low == 0 and size == (len(self.seeds), self.canvas_length)
        if not self.inside_step:
            self.canvas, self.step = self.canvas + 1, 0
            self.steps.append(np.zeros(len(self.seeds), int))
        purpose = draws.RENOISE if self.inside_step else draws.INITIAL_CANVAS
        ids = [draws.uniform_ids(seed, self.position, size[1], self.step, purpose, high) for seed in self.seeds]
        return torch.from_numpy(np.stack(ids))

    def multinomial(self, probabilities: torch.Tensor, num_samples: int) -> torch.Tensor:
        assert self.inside_step and num_samples == 1
        vocab_size = probabilities.shape[-1]
        noise = [draws.gumbel(seed, self.position, self.canvas_length, self.step, vocab_size) for seed in self.seeds]
        scores = probabilities.double().log().reshape(len(self.seeds), -1, vocab_size) + torch.from_numpy(
            np.stack(noise)
        )
        best = scores.topk(2, dim=-1).values
        self.note((best[..., 0] - best[..., 1]).amin(dim=-1))
        return scores.argmax(dim=-1).reshape(-1, 1)

    def denoising_step(self, **arguments: Any) -> tuple:
        self.running = ~arguments["finished_denoising"].clone()
        self.steps[self.canvas] += self.running.numpy()
        self.inside_step = True
        result = self.original_step(**arguments)
        self.inside_step = False
        self.step += 1
        self.note_decisions(result[2])
        return result

    def note(self, gaps: torch.Tensor) -> None:
        self.margin = min([self.margin, *gaps[self.running].tolist()])

    def note_decisions(self, z: torch.Tensor) -> None:
        """Notes how close argmax, acceptance and stopping were to going the other way. z [B, C, V]."""
        best = z.topk(2, dim=-1).values
        self.note((best[..., 0] - best[..., 1]).amin(dim=-1))
        entropies = torch.distributions.Categorical(logits=z.double()).entropy().sort(dim=-1).values
        spent = entropies.cumsum(dim=-1) - entropies
        self.note((spent - self.entropy_bound).abs().amin(dim=-1))
        self.note((entropies.mean(dim=-1) - self.confidence_threshold).abs())


@torch.no_grad()
def generate(
    model: DiffusionGemmaForBlockDiffusion,
    ids: Sequence[Sequence[int]],
    *,
    seeds: Sequence[int],
    end_token_ids: Sequence[int],
    max_new_tokens: int,
    max_denoising_steps: int,
    entropy_bound: float,
    t_min: float,
    t_max: float,
    stability_threshold: int,
    confidence_threshold: float,
    canvas: np.ndarray | None = None,
    cache: Any = None,
) -> Generation:
    """The reference's own loop over sequences of one length. `ids` are the tokens that `cache` does not hold yet."""
    input_ids = torch.tensor([list(x) for x in ids])
    num_cached = 0 if cache is None else cache.get_seq_length()
    shared = SharedDraws(model, seeds, num_cached + input_ids.shape[1], entropy_bound, confidence_threshold)
    arguments = {} if canvas is None else {"decoder_input_ids": torch.from_numpy(np.asarray(canvas, np.int64))}
    with shared.active():
        out = model.generate(
            input_ids,
            max_new_tokens=max_new_tokens,
            max_denoising_steps=max_denoising_steps,
            sampler_config=EntropyBoundSamplerConfig(entropy_bound=entropy_bound),
            t_min=t_min,
            t_max=t_max,
            stability_threshold=stability_threshold,
            confidence_threshold=confidence_threshold,
            eos_token_id=list(end_token_ids),
            pad_token_id=0,
            **{CACHE: cache},
            **arguments,
        )
    new = out.sequences[:, input_ids.shape[1] :].numpy().astype(np.int32)
    result = Generation([], [], [], out.tokens_per_forward.tolist(), getattr(out, CACHE), shared.margin)
    for row, tokens in enumerate(new):
        ends = np.flatnonzero(np.isin(tokens, list(end_token_ids)))
        length = int(ends[0]) if len(ends) else len(tokens)
        num_canvases = min(length // model.config.canvas_length + 1, len(shared.steps))
        assert not tokens[num_canvases * model.config.canvas_length :].any()  # only padding lies behind the end
        result.sequences.append(tokens[:length].tolist())
        result.canvases.append(tokens.reshape(-1, model.config.canvas_length)[:num_canvases])
        result.denoising_steps.append([int(steps[row]) for steps in shared.steps[:num_canvases]])
    return result
