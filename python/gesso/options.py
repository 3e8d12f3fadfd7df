"""The types of the generation options. `gesso.generation_options()` has the table behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict


class Array(Protocol):
    """An array of NumPy, or of another library that has DLPack."""

    def __dlpack__(self) -> Any: ...


Ids = Sequence[int] | Array  # one list of token ids
Prompt = str | Ids
Pins = Mapping[int, int]  # token ids by position


class OptionsOfMany(TypedDict, total=False):
    """Keyword arguments of `Model.generate_many`.

    An option that is left out has its default. Where `None` is allowed, it means the same.
    """

    max_new_tokens: int
    """The text ends after this many new tokens, also within a canvas. The default is 256."""
    max_denoising_steps: int | None
    """A canvas is improved in at most this many steps."""
    entropy_bound: float | None
    """A step keeps tokens, the most certain ones first, until their entropies add up to more than this, in nats."""
    t_min: float | None
    """The temperature falls towards this value from step to step."""
    t_max: float | None
    """The first step of a canvas has this temperature."""
    stability_threshold: int | None
    """A canvas may stop early only when its likeliest tokens stayed the same for this many steps."""
    confidence_threshold: float | None
    """A canvas may stop early only when the mean entropy of its tokens is below this, in nats."""
    end_token_ids: Ids | None
    """A text ends in front of the first of these tokens."""
    stop: str | Sequence[str] | None
    """A text ends in front of the first of these strings, or of this one. They are looked for in the text without
    special tokens, after each canvas; one may begin in one canvas and end in the next."""
    canvas: Ids | Sequence[Ids] | None
    """Token ids that the first canvas starts from instead of noise, [B][C], or [C] for one prompt."""
    pinned: Pins | Sequence[Pins | Sequence[Pins | None] | None] | None
    """{position: id} of canvas tokens that stay as given: a dict for each sequence, or one dict for one prompt. A dict
    pins the first canvas. A list of dicts pins one canvas after the other."""


class GenerationOptions(OptionsOfMany, total=False):
    """Keyword arguments of `Model.generate`, `Session.generate` and `Engine.submit`, which has one sequence."""

    seed: int | Ids | None
    """One seed for all sequences, or one for each, from 0 to 2^64 - 1. The default is 0. None draws one for each
    sequence, below 2^53; `Result.seed` says which. A negative seed is refused. A sequence depends on its prompt and its
    seed alone, not on the batch. Give equal prompts different seeds to get different texts."""


@dataclass(frozen=True, kw_only=True)
class GenerationDefaults:
    """The defaults that a checkpoint carries. An option that the checkpoint lacks has the reference's default here."""

    max_denoising_steps: int
    entropy_bound: float
    t_min: float
    t_max: float
    stability_threshold: int
    confidence_threshold: float
    end_token_ids: tuple[int, ...]
