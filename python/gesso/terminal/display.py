"""Shows a text while it is generated: on a terminal the canvas changes in place, in a pipe the text comes out plain."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Container, Iterable
from itertools import groupby
from typing import TextIO

import numpy as np
import numpy.typing as npt
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from gesso._native import StepEvent
from gesso.calls.tool_call import ToolCall
from gesso.measure.text import visible
from gesso.notebook.canvas import Canvas
from gesso.reply import ReplyEvent, ThoughtDelta
from gesso.tokenizer import Tokenizer

UNCERTAIN = "dim"  # the style of tokens that are not accepted yet
THOUGHT = "dim"
STATUS = "cyan"
REFRESH_SECONDS = 1 / 20


def make_console(stream: TextIO) -> Console:
    """Returns a console that prints text as it is: without markup, emoji codes and highlighting."""
    return Console(file=stream, markup=False, emoji=False, highlight=False)


def can_show_live(stream: TextIO) -> bool:
    """Whether text on this stream can be rewritten in place."""
    return stream.isatty() and not make_console(stream).is_dumb_terminal


def cut_at_end(ids: npt.NDArray[np.integer], end_token_ids: Container[int]) -> npt.NDArray[np.integer]:
    """Returns the ids in front of the first end token; all ids if there is none."""
    return ids[: next((i for i, token in enumerate(ids.tolist()) if token in end_token_ids), len(ids))]


class PlainText:
    """Writes text when it is final, and shows no steps.

    A pipe gets the text unchanged. On a terminal, control characters are replaced by symbols.
    """

    on_step: Callable[[StepEvent], None] | None = None

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._ends_line = True

    def __enter__(self) -> PlainText:
        return self

    def wait(self, status: str) -> None:
        """Takes what is under way before the first step. A plain text does not show it."""

    def count(self, num_tokens: int) -> None:
        """Takes the number of tokens that are now final. A plain text does not show it."""

    def commit(self, text: str, style: str = "") -> None:
        if not text:
            return
        if style and self._stream.isatty():
            make_console(self._stream).print(Text(visible(text), style), end="", soft_wrap=True)
        else:
            self._stream.write(visible(text) if self._stream.isatty() else text)
        self._stream.flush()
        self._ends_line = text.endswith("\n")

    def end_line(self) -> None:
        if not self._ends_line:
            self.commit("\n")

    def __exit__(self, *_: object) -> None:
        self.end_line()


class LiveText:
    """Shows a text on a terminal while it is generated.

    Rows of final text scroll up. Below them the current canvas is drawn in place after each step. Text is wrapped to
    the terminal's width. Tokens that are accepted are drawn normally, the others dim. A line break that is not accepted
    is drawn as an arrow, because a break that comes and goes would make the rows below it jump.
    """

    def __init__(self, console: Console, tokenizer: Tokenizer, end_token_ids: Iterable[int]):
        self._console = console
        self._tokenizer = tokenizer
        self._ends = frozenset(end_token_ids)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._last_row = Text()  # the last row of final text; the next text may continue it
        self._num_committed = 0
        self._start = time.perf_counter()
        self._last_refresh = 0.0

    def __enter__(self) -> LiveText:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.update(Text())
        self._live.stop()
        if self._last_row:
            self._console.print(self._last_row)

    def on_step(self, event: StepEvent) -> None:
        self._on_step(event, event.argmax, event.accepted)

    def on_canvas(self, canvas: Canvas) -> None:
        """As `on_step`, for what the events of a stream have."""
        self._on_step(canvas, np.array(canvas.ids, np.int32), np.array(canvas.accepted, np.bool_))

    def _on_step(self, event: StepEvent | Canvas, ids: npt.NDArray[np.int32], accepted: npt.NDArray[np.bool_]) -> None:
        now = time.perf_counter()
        if now - self._last_refresh < REFRESH_SECONDS:
            return
        self._last_refresh = now
        # What stands behind an accepted end token will be thrown away, so it is not drawn.
        length = len(cut_at_end(np.where(accepted, ids, -1), self._ends))
        canvas = self._canvas(ids[:length], accepted[:length])
        num_tokens = self._num_committed + int(np.count_nonzero(accepted[:length]))
        rate = num_tokens / max(now - self._start, 1e-9)
        status = f"canvas {event.canvas + 1}  {step_status(event)}  {np.count_nonzero(accepted)}/{len(ids)} accepted"
        self._show(canvas, f"{status}  {rate:.1f} tokens/s")

    def wait(self, status: str) -> None:
        """Shows what is under way before the first step, which then takes its place."""
        self._show(Text(), status)

    def count(self, num_tokens: int) -> None:
        """Takes the number of tokens that are now final, for the rate in the status line."""
        self._num_committed += num_tokens

    def commit(self, text: str, style: str = "") -> None:
        """Appends text that is final."""
        rows = self._last_row.copy().append(visible(text), style).wrap(self._console, self._console.width)
        self._last_row = rows[-1] if len(rows) else Text()
        self._live.update(self._last_row)
        for row in rows[:-1]:
            self._console.print(row)
        self._live.refresh()

    def end_line(self) -> None:
        if self._last_row:
            self.commit("\n")

    def _canvas(self, ids: npt.NDArray[np.int32], accepted: npt.NDArray[np.bool_]) -> Text:
        canvas, padding = Text(), self._tokenizer.native.pad_token_id
        pairs = zip(ids.tolist(), accepted.tolist(), strict=True)
        for is_accepted, group in groupby(pairs, key=lambda pair: pair[1]):
            shown = [token for token, _ in group if token != padding]
            text = visible(self._tokenizer.decode(shown, skip_special_tokens=False))
            canvas.append(text if is_accepted else text.replace("\n", "\u21b5"), None if is_accepted else UNCERTAIN)
        return canvas

    def _show(self, canvas: Text, status: str) -> None:
        rows = list((self._last_row + canvas).wrap(self._console, self._console.width))
        rows = rows[: max(1, self._console.height - 2)]  # a terminal cannot redraw rows that have scrolled out of it
        self._live.update(Group(*rows, status_text(status, self._console)), refresh=True)


class ReplyText:
    """Shows a reply: thoughts and text on separate lines, and each tool call on its own line.

    thoughts: another display, which gets the thoughts. Without it, `display` shows them dim.
    """

    def __init__(self, display: PlainText | LiveText, thoughts: PlainText | None = None):
        self._display = display
        self._thoughts = thoughts
        # Display -> the kind of event that it has shown last.
        self._last_kinds: dict[PlainText | LiveText, type[ReplyEvent]] = {}

    def show(self, events: Iterable[ReplyEvent]) -> None:
        for event in events:
            is_thought = isinstance(event, ThoughtDelta)
            display = self._thoughts if is_thought and self._thoughts else self._display
            if type(event) is not self._last_kinds.get(display) or isinstance(event, ToolCall):
                display.end_line()
            self._last_kinds[display] = type(event)
            text = call_line(event) if isinstance(event, ToolCall) else event.text
            display.commit(text, style=THOUGHT if is_thought else "")


def call_line(call: ToolCall) -> str:
    """Returns a tool call as people read it. For a call that could not be read: what the model wrote, and the error."""
    if call.error is not None:
        return f"call {call.raw}\n({call.error})"
    return f"call {call.name}({json.dumps(call.arguments, ensure_ascii=False)})"


def status_text(status: str, console: Console) -> Text:
    """Returns a status line that fits one row and leaves room for the ^C that a terminal echoes."""
    text = Text(status, style=STATUS)
    text.truncate(console.width - 2, overflow="ellipsis")
    return text


def step_status(event: StepEvent | Canvas) -> str:
    """Returns the number and the mean entropy of a denoising step, for a status line."""
    return f"step {event.step + 1}/{event.max_denoising_steps}  mean entropy {event.mean_entropy:.4f} nats"
