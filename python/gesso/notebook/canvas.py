"""A canvas as people see it, and the steps of a generation, which a notebook shows while they come and afterwards."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, overload

from gesso import _native
from gesso.notebook.display import Shown, in_notebook


@dataclass(frozen=True)
class Canvas:
    """A canvas after one denoising step, as plain data. A notebook shows it, with the entropy of each token as colour.

    All tuples have an entry for each position of the canvas. The other fields are those of `StepEvent`.
    """

    sequence: int
    canvas: int
    step: int
    max_denoising_steps: int
    mean_entropy: float  # in nats
    length: int  # of the part in front of the first accepted end token; what stands behind it is thrown away
    ids: tuple[int, ...]
    tokens: tuple[str, ...]  # texts, or ids if there is no tokenizer; a character stands at the last of its tokens
    entropies: tuple[float, ...]  # in nats
    accepted: tuple[bool, ...]

    @classmethod
    def from_step(
        cls, event: _native.StepEvent, tokenizer: _native.Tokenizer | None, end_token_ids: Collection[int]
    ) -> Canvas:
        ids, accepted = event.argmax.tolist(), event.accepted.tolist()
        ends = (i for i, token in enumerate(ids) if accepted[i] and token in end_token_ids)
        return cls(
            sequence=event.sequence,
            canvas=event.canvas,
            step=event.step,
            max_denoising_steps=event.max_denoising_steps,
            mean_entropy=event.mean_entropy,
            length=next(ends, len(ids)),
            ids=tuple(ids),
            tokens=_texts(ids, tokenizer),
            entropies=tuple(event.entropies.tolist()),
            accepted=tuple(accepted),
        )

    @property
    def text(self) -> str:
        """The text of the canvas as it is now, with special tokens, in front of the first accepted end token."""
        return "".join(self.tokens[: self.length])

    def __repr__(self) -> str:
        return f"<gesso.Canvas: {self.status}>"

    @property
    def status(self) -> str:
        """A line about the step."""
        accepted, sequence = sum(self.accepted), f"sequence {self.sequence + 1}, " if self.sequence else ""
        return (
            f"{sequence}canvas {self.canvas + 1}, step {self.step + 1} of at most {self.max_denoising_steps}, "
            f"{accepted} of {len(self.ids)} accepted, mean entropy {self.mean_entropy:.4f} nats"
        )

    def _repr_html_(self) -> str:
        from gesso.notebook.html import canvas_html, page

        return page(canvas_html([self], is_exact=True))


def _texts(ids: Sequence[int], tokenizer: _native.Tokenizer | None) -> tuple[str, ...]:
    if tokenizer is None:
        return tuple(f"{token} " for token in ids)
    decoder, padding = _native.StreamDecoder(tokenizer, False), tokenizer.pad_token_id
    texts = [decoder.push([token] if token != padding else []) for token in ids]
    return (*texts[:-1], texts[-1] + decoder.flush()) if texts else ()


class _Model(Protocol):
    """What `Steps` needs of a `gesso.Model`."""

    @property
    def native(self) -> _native.Model: ...


class _Settling(Protocol):
    """A `StreamEvent`, or another one that may have a canvas under way."""

    @property
    def settling(self) -> Canvas | None: ...


class Steps(Sequence[Canvas]):
    """The denoising steps of a generation: a sequence with the `Canvas` of each. A notebook shows them as they come.

        steps = gesso.Steps(model)
        out = model.generate("Once upon a time", on_step=steps)
        steps  # as the last line of a cell: all steps, to go through one by one

    It takes the events of streams and chats, too: `for event in chat.stream("Hello"): steps(event)`. These leave out
    steps where they are not taken fast enough. `generate` leaves out none.

    When the next generation begins, the steps of the one before are forgotten.
    """

    def __init__(self, model: _Model):
        native = model.native
        self._tokenizer = native.tokenizer
        self._end_token_ids = frozenset(cast(list[int], native.config.generation["end_token_ids"]))
        self._clear()

    def _clear(self) -> None:
        self._canvases: list[Canvas] = []
        self._newest: dict[int, list[Canvas]] = {}  # of each sequence the newest step of each canvas
        self._shown = Shown()

    def __call__(self, event: _native.StepEvent | _Settling) -> None:
        """Takes an event, as `on_step` or from a stream."""
        if isinstance(event, _native.StepEvent):
            self._add(Canvas.from_step(event, self._tokenizer, self._end_token_ids))
        elif event.settling is not None:
            self._add(event.settling)

    def _add(self, canvas: Canvas) -> None:
        newest = self._newest.get(canvas.sequence)
        if newest and (canvas.canvas, canvas.step) <= (newest[-1].canvas, newest[-1].step):
            self._shown.flush()
            self._clear()
        newest = self._newest.setdefault(canvas.sequence, [])
        if newest and newest[-1].canvas == canvas.canvas:
            newest.pop()
        newest.append(canvas)
        self._canvases.append(canvas)
        if in_notebook():
            self._shown.update(lambda: (self._newest_html(), canvas.status))

    def _newest_html(self) -> str:
        from gesso.notebook.html import canvas_html, page

        return page(*(canvas_html(canvases) for _, canvases in sorted(self._newest.items())))

    def __len__(self) -> int:
        return len(self._canvases)

    @overload
    def __getitem__(self, index: int) -> Canvas: ...

    @overload
    def __getitem__(self, index: slice) -> list[Canvas]: ...

    def __getitem__(self, index: int | slice) -> Any:
        return self._canvases[index]

    def __repr__(self) -> str:
        return f"<gesso.Steps: {len(self)} steps>"

    def _repr_html_(self) -> str:
        from gesso.notebook.html import page, steps_html

        return page(steps_html(self._canvases))
