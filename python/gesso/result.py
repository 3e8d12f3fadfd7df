"""What became of a prompt: `Result` is one sequence, `GenerationOutput` those of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

from gesso import _native
from gesso.reply import THOUGHT_BOUNDS, Reply, decode_reply, marker_ids
from gesso.tokenizer import Tokenizer

FinishReason = Literal["stop", "length", "cancelled", "deadline"]
Part = TypeVar("Part")
MOST_SHOWN = 20  # results of a batch in a notebook


@dataclass(frozen=True)
class Usage:
    """How many tokens one sequence took.

    Example: a session has encoded 100 tokens and generates behind 20 further ones. Then prompt_tokens is 120 and
    cached_tokens 100.
    """

    prompt_tokens: int  # all in front of the new ones
    cached_tokens: int  # of these, the ones whose keys and values were there already, so they were not encoded
    completion_tokens: int  # the new ones, as many as `ids` has

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, eq=False)
class Result:
    """One sequence. It is plain data: it can be compared, copied and pickled, and `to_dict` makes JSON of it.

    finish_reason says why the sequence ends where it does:
    "stop": it has an end token or a stop string.
    "length": it has max_new_tokens tokens, and would go on.
    "cancelled": it was ended early. A canvas is missing, or the last one was committed before it settled.
    "deadline": its time was over.
    """

    ids: list[int]  # the new tokens in front of an end token and of a stop string, at most max_new_tokens
    text: str | None  # the same as text, without special tokens; None for a model without a tokenizer
    reply: Reply | None = field(repr=False)  # the same, split into thought, text and tool calls
    canvases: NDArray[np.int32] = field(repr=False)  # [canvases, C] as committed, padded behind an end token
    denoising_steps: list[int]  # of each canvas
    finish_reason: FinishReason
    usage: Usage
    seed: int  # the one that the sequence was drawn with
    tokens_per_forward: float  # tokens that are not padding, divided by denoising steps

    @classmethod
    def from_native(cls, native: _native.Result, canvas_length: int, tokenizer: Tokenizer | None) -> Result:
        """Decodes what was generated. This is the only place that makes results.

        It does not ask the session, which may have gone on.
        """
        ids, usage = native.ids, native.usage
        text = reply = None
        if tokenizer is not None:
            text = tokenizer.native.decode(ids, True)
            # Of the tokens in front of a reply, only the last of these markers matters.
            marker = native.last_before(list(marker_ids(tokenizer, THOUGHT_BOUNDS)))
            reply = decode_reply(tokenizer, ids, () if marker is None else (marker,), text)
        return cls(
            ids=ids,
            text=text,
            reply=reply,
            canvases=native.canvases.reshape(-1, canvas_length),  # [0, 0] where there is none
            denoising_steps=native.denoising_steps,
            finish_reason=cast(FinishReason, native.finish_reason.name),
            usage=Usage(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens),
            seed=native.seed,
            tokens_per_forward=native.tokens_per_forward,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Result):
            return NotImplemented
        names = [entry.name for entry in fields(self) if entry.name != "canvases"]
        return all(getattr(self, name) == getattr(other, name) for name in names) and np.array_equal(
            self.canvases, other.canvases
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from gesso.notebook.html import page

        return page(self._html())

    def _html(self) -> str:
        from gesso.notebook.html import answer_html, facts_html

        facts = [
            f"finish_reason {self.finish_reason}",
            f"{len(self.ids)} tokens",
            f"denoising steps {', '.join(map(str, self.denoising_steps))}",
            f"{self.tokens_per_forward:.1f} tokens per step",
            f"seed {self.seed}",
        ]
        text = str(self.ids) if self.text is None else self.text
        answer = answer_html(text) if self.reply is None else self.reply._html()
        return answer + facts_html(facts)

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as dicts, lists, texts and numbers, which `json.dumps` takes.

        The keys are the names of the fields. "usage" also has "total_tokens".
        """
        usage = asdict(self.usage) | {"total_tokens": self.usage.total_tokens}
        return asdict(self) | {"canvases": self.canvases.tolist(), "usage": usage}


@dataclass(frozen=True)
class GenerationOutput(Sequence[Result]):
    """What a generation returns: a sequence with the `Result` of each prompt.

    `output[0]` is the first one, and `output[1:]` a tuple of the others. The properties have one thing of all results,
    for example `output.texts[0]` for `output[0].text`. Two outputs are equal if they differ in their timings alone.
    """

    results: tuple[Result, ...]
    stopped: bool  # whether a callback returned something false
    timings: _native.Timings = field(compare=False)

    def __len__(self) -> int:
        return len(self.results)

    def _repr_html_(self) -> str:
        """What a notebook shows: all results, of a large batch the first ones."""
        from gesso.notebook.html import note, page

        shown = [result._html() for result in self.results[:MOST_SHOWN]]
        left_out = len(self) - len(shown)
        return page("<hr>".join(shown), note(f"and {left_out} more") if left_out else "")

    @overload
    def __getitem__(self, index: int) -> Result: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Result, ...]: ...

    def __getitem__(self, index: int | slice) -> Result | tuple[Result, ...]:
        return self.results[index]

    @property
    def sequences(self) -> list[list[int]]:
        """The `ids` of each sequence."""
        return [result.ids for result in self.results]

    @property
    def texts(self) -> list[str] | None:
        """The same as texts, without special tokens; None for a model without a tokenizer."""
        return _all_or_none([result.text for result in self.results])

    @property
    def replies(self) -> list[Reply] | None:
        """The same, split into thought, text and tool calls; None for a model without a tokenizer."""
        return _all_or_none([result.reply for result in self.results])

    @property
    def canvases(self) -> list[NDArray[np.int32]]:
        """[canvases, C] of each sequence, as committed, padded behind an end token."""
        return [result.canvases for result in self.results]

    @property
    def denoising_steps(self) -> list[list[int]]:
        """The steps of each canvas of each sequence."""
        return [result.denoising_steps for result in self.results]

    @property
    def tokens_per_forward(self) -> list[float]:
        """For each sequence its tokens that are not padding, divided by its denoising steps."""
        return [result.tokens_per_forward for result in self.results]


def _all_or_none(parts: Sequence[Part | None]) -> list[Part] | None:
    """The parts; None if some are missing, which are then those of all results of a model without a tokenizer."""
    there = [part for part in parts if part is not None]
    return there if len(there) == len(parts) else None
