"""Shows an answer while it comes: thoughts dim, the text, calls of tools and what they return."""

from __future__ import annotations

import json
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from gesso.chat_events import ChatEvent, Message
from gesso.model import Model
from gesso.notebook.canvas import Canvas
from gesso.reply import Reply, ReplyEvent, TextDelta, ThoughtDelta
from gesso.terminal.display import LiveText, PlainText, ReplyText, can_show_live, make_console
from gesso.tokenizer import Tokenizer

MOST_SHOWN = 600  # characters of what a tool returns


class Answer:
    """Shows one answer. Standard output gets the text; elsewhere than on a terminal the rest goes to standard error.

    On a terminal the canvas settles in place, unless `live` is False.
    """

    def __init__(self, model: Model, tokenizer: Tokenizer, live: bool):
        self._model, self._tokenizer = model, tokenizer
        self._is_live = live and can_show_live(sys.stdout)
        self._display: LiveText | PlainText | None = None
        self._others: PlainText | None = None  # what gets thoughts and calls, where the text stands alone
        self._canvas = 0
        self._text = self._thought = ""  # what was shown of the reply under way

    def __enter__(self) -> Answer:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    def show(self, event: ChatEvent) -> None:
        if event.settling is not None:
            self._show_step(event.settling)
        if event.thought:
            self._thought += event.thought
            self._show(ThoughtDelta(event.thought))
        if event.delta:
            self._text += event.delta
            self._show(TextDelta(event.delta))
        if event.tool_call is not None:
            self._show(event.tool_call)
        if event.tool_message is not None:
            self._show_tool_message(event.tool_message)
            self._text = self._thought = ""

    def show_rest(self, reply: Reply) -> None:
        """Shows what was not shown yet of a reply that was ended early."""
        thought, text = reply.thought[len(self._thought.lstrip()) :], reply.text[len(self._text) :]
        if thought:
            self._show(ThoughtDelta(thought))
        if text:
            self._show(TextDelta(text))

    def pause(self) -> None:
        """Ends what is drawn in place, so that others can write. The next event begins below it."""
        for display in (self._display, self._others):
            if display is not None:
                display.__exit__(None, None, None)
        self._display = self._others = None

    def _open(self) -> None:
        if self._display is None:
            self._display = (
                LiveText(make_console(sys.stdout), self._tokenizer, self._model.config.end_token_ids)
                if self._is_live
                else PlainText(sys.stdout)
            )
            self._others = None if sys.stdout.isatty() else PlainText(sys.stderr)
            self._display.__enter__()
            self._display.wait("reading the conversation")
            self._reply_text = ReplyText(self._display)
            self._other_text = ReplyText(self._others) if self._others is not None else self._reply_text
            self._canvas = 0

    def _show(self, part: ReplyEvent) -> None:
        self._open()
        (self._reply_text if isinstance(part, TextDelta) else self._other_text).show([part])

    def _show_step(self, canvas: Canvas) -> None:
        self._open()
        if isinstance(self._display, LiveText):
            if canvas.canvas > self._canvas:
                self._display.count(len(canvas.ids))
            self._canvas = canvas.canvas
            self._display.on_canvas(canvas)

    def _show_tool_message(self, message: Message) -> None:
        self._open()
        display = self._others or self._display
        assert display is not None
        display.end_line()
        display.commit(f"{result_line(message)}\n", "dim")


def result_line(message: Message) -> str:
    """Returns what a tool has returned as people read it. The end of a long one is left out; the model gets all."""
    content: Any = message["content"]
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    more = f" ... ({len(text)} characters)" if len(text) > MOST_SHOWN else ""
    return f"{message['name']} returns {text[:MOST_SHOWN]}{more}"


@contextmanager
def no_echo() -> Iterator[None]:
    """Lets a terminal not show what is typed during an answer; it would stand within the canvas."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(sys.stdin, termios.TCSANOW, silent)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
