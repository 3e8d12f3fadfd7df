"""Where a user's lines come from: a terminal, where they can be edited, or a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from gesso.files.regular_file import open_regular
from gesso.measure.text import visible
from gesso.talk.written import COMMANDS, is_unfinished

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import History

PROMPT, FURTHER = "> ", "  "


class Input(Protocol):
    is_terminal: bool

    def read(self, prompt: str = PROMPT) -> str:
        """Returns what the user writes next, maybe in several lines. EOFError at the end of the input.

        KeyboardInterrupt where the user presses Ctrl-C. ValueError for what is no text.
        """

    def ask(self, question: str) -> str:
        """Returns the answer to a question, in one line. "" if nobody can be asked."""


class PipedInput:
    """Lines of standard input, which is no terminal. Nobody can be asked there."""

    is_terminal = False

    def read(self, prompt: str = PROMPT) -> str:
        text = self._line()
        while is_unfinished(text):
            try:
                text += "\n" + self._line()
            except EOFError:
                break
        return text

    def ask(self, question: str) -> str:
        return ""

    def _line(self) -> str:
        line = sys.stdin.buffer.readline()
        if not line:
            raise EOFError
        try:
            return line.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise ValueError(f"standard input: a line is not UTF-8: {error}") from None


class TerminalInput:
    """Lines that are edited on a terminal, with those of earlier chats in reach of the arrow keys.

    values: for a command, what its argument may begin with.
    """

    is_terminal = True

    def __init__(self, stream: TextIO, history: Path | None, values: Callable[[str], Iterable[str]]):
        from prompt_toolkit import PromptSession  # only this command needs it, and it takes long to import
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
        from prompt_toolkit.keys import Keys
        from prompt_toolkit.output.vt100 import Vt100_Output
        from prompt_toolkit.shortcuts import CompleteStyle

        keys, others = KeyBindings(), KeyBindings()

        @keys.add("enter")
        def _(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            if is_unfinished(buffer.text):
                buffer.insert_text("\n")
            else:
                buffer.validate_and_handle()

        @keys.add("escape", "enter")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add(Keys.Vt100MouseEvent)
        @others.add(Keys.Vt100MouseEvent)
        def _(event: KeyPressEvent) -> None:
            """The colours of a text that is typed or pasted look like a mouse, and prompt_toolkit's own binding raises
            an error for them."""

        output = Vt100_Output.from_pty(stream, term=os.environ.get("TERM"))
        output.enable_cpr = False  # where the cursor stands does not matter, and not every terminal answers
        self._session: PromptSession[str] = PromptSession(
            output=output,
            history=_history(history),
            multiline=True,
            key_bindings=keys,
            prompt_continuation=FURTHER,
            completer=_completer(values),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
        )
        self._questions: PromptSession[str] = PromptSession(output=output, key_bindings=others)

    def read(self, prompt: str = PROMPT) -> str:
        return self._session.prompt(visible(prompt))

    def ask(self, question: str) -> str:
        return self._questions.prompt(visible(question))


def history_file() -> Path:
    """Where what was written in chats is kept."""
    folder = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(folder) / "gesso" / "chat_history"


def _history(path: Path | None) -> History:
    """The lines of earlier chats. Only their owner can read the file. What cannot be read or written is no error."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    class KeptHistory(FileHistory):
        def store_string(self, string: str) -> None:
            with suppress(OSError):
                super().store_string(string)

    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600))
        open_regular(path).close()
    except OSError:
        return InMemoryHistory()
    return KeptHistory(path)


def _completer(values: Callable[[str], Iterable[str]]) -> Completer:
    """Completes commands, and their arguments where these are names or files."""
    from prompt_toolkit.completion import Completer, Completion, PathCompleter
    from prompt_toolkit.document import Document

    files = PathCompleter(expanduser=True)

    class Commands(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
            text = document.text_before_cursor
            if not text.startswith("/") or "\n" in text:
                return
            command, blank, argument = text[1:].partition(" ")
            if not blank:
                words: Iterable[str] = COMMANDS
                argument = command
            else:
                words = values(command)
            yield from (Completion(word, -len(argument)) for word in words if word.startswith(argument))
            if blank and command in ("save", "load", "tools"):
                yield from files.get_completions(Document(argument), complete_event)

    return Commands()
