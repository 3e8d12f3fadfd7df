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


class GenerationOptions(TypedDict, total=False):
    """Keyword arguments of `Model.generate` and `Session.generate`.

    An option that is left out has its default. Where `None` is allowed, it means the same.
    """

    max_new_tokens: int
    max_denoising_steps: int | None
    entropy_bound: float | None
    t_min: float | None
    t_max: float | None
    stability_threshold: int | None
    confidence_threshold: float | None
    end_token_ids: Ids | None
    seed: int | Ids
    canvas: Ids | Sequence[Ids] | None
    pinned: Pins | Sequence[Pins | Sequence[Pins | None] | None] | None


@dataclass(frozen=True, kw_only=True)
class GenerationDefaults:
    """The options' defaults that a checkpoint carries; those of the reference where it does not."""

    max_denoising_steps: int
    entropy_bound: float
    t_min: float
    t_max: float
    stability_threshold: int
    confidence_threshold: float
    end_token_ids: tuple[int, ...]
