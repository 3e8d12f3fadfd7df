"""A conversation of a user with a model: messages are answered, and commands are obeyed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.text import Text

from gesso.calls.tool_call import ToolCall
from gesso.chat import Chat
from gesso.chat_events import ChatReply, Message
from gesso.measure.text import visible
from gesso.model import Model
from gesso.reply import Reply
from gesso.talk import conversation_file
from gesso.talk.advice import MOST_TOKENS, after_cut, after_error
from gesso.talk.answer import Answer, no_echo
from gesso.talk.commands import obey
from gesso.talk.inputs import PROMPT, Input
from gesso.talk.settings import Settings
from gesso.talk.stats import Stats
from gesso.talk.tool_files import Given, asking
from gesso.talk.written import read_written
from gesso.templates.chat_template import compile_chat
from gesso.terminal.display import make_console
from gesso.terminal.errors import describe_error
from gesso.tokenizer import Tokenizer

# What an answer or a command may raise without an end of the conversation. Other errors of the system are not among
# them: where standard output cannot be written, the conversation ends.
ERRORS = (ValueError, TypeError, MemoryError, RuntimeError, TimeoutError)


class Talk:
    """A conversation, its settings and its tools.

    allows_tools: whether functions run without a question.
    timeout: in seconds for each answer, with its calls.
    live: whether the canvas is drawn on a terminal.
    """

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        name: str,
        source: Input,
        settings: Settings,
        *,
        think: bool = False,
        allows_tools: bool = False,
        timeout: float | None = None,
        live: bool = True,
    ):
        self.chat: Chat = model.chat(enable_thinking=think)
        self.settings = settings
        self.has_failed = False
        self.model, self._tokenizer, self._name, self._input = model, tokenizer, name, source
        self._allows_tools, self._timeout, self._is_live = allows_tools, timeout, live
        self._allowed: set[str] = set()  # functions that the user has allowed for good
        self.tools: list[Given] = []
        self.offers = True
        self._taken_back: list[Message] | None = None  # the message that /undo, or an error, took back last
        self._file: Path | None = None  # where /save and /load were last
        self._open: list[ToolCall] = []  # calls whose results the user has to write
        self._results: list[Message] = []
        self.stats = Stats()
        self._answer: Answer | None = None

    def run(self) -> None:
        """Reads messages and commands until the input ends, or the user leaves."""
        while True:
            try:
                text = self._input.read(f"{self._open[0].name} returns> " if self._open else PROMPT)
            except KeyboardInterrupt:
                if not self._input.is_terminal:
                    raise
                self.note("Ctrl-D or /quit leaves.")
                continue
            except EOFError:
                return
            except ValueError as error:
                self.fail(error)
                continue
            if text.strip() and not self.take(text):
                return

    def take(self, text: str) -> bool:
        """Answers a message, or obeys a command. Returns whether the conversation goes on."""
        try:
            command, argument = read_written(text)
            if command is None:
                self._send(argument)
            elif command == "quit":
                return False
            else:
                obey(self, command, argument)
        except ERRORS as error:
            self.fail(error)
        except KeyboardInterrupt:
            if not self._input.is_terminal:
                raise
        return True

    # What is shown

    def note(self, text: str, style: str = "cyan") -> None:
        """Shows what is no text of the model: standard output has that alone, unless it is a terminal."""
        stream = sys.stdout if sys.stdout.isatty() else sys.stderr
        make_console(stream).print(Text(visible(text), style if stream.isatty() else ""), soft_wrap=True)
        stream.flush()

    def fail(self, error: Exception) -> None:
        self.has_failed = True
        problem = describe_error(error).removeprefix("sequence 0: ")  # there is one only
        self.note(f"gesso: {problem}", "red")

    def ask(self, question: str) -> str:
        """Returns what the user answers, in small letters; "" where nobody can be asked."""
        try:
            return self._input.ask(question).strip().lower()
        except EOFError:
            return ""

    # Messages and answers

    def _send(self, text: str) -> None:
        if not self._open:
            self._reply_to([{"role": "user", "content": text}])
            return
        self._results.append({"role": "tool", "name": self._open.pop(0).name, "content": text})
        if not self._open:
            results, self._results = self._results, []
            self._reply_to(results)

    def _reply_to(self, new: Sequence[Message]) -> None:
        """Lets the model answer, and shows it. After an error the conversation is as before the message."""
        start = time.perf_counter()
        reply: ChatReply | None = None
        kept: Reply | None = None
        self._answer = Answer(self.model, self._tokenizer, self._is_live)
        try:
            with no_echo(), self._answer:
                try:
                    stream = self.chat.stream(new, timeout=self._timeout, **self.settings.options())
                    with closing(stream) as events:
                        for event in events:
                            self._answer.show(event)
                            reply = event.reply or reply
                except KeyboardInterrupt:
                    if not self._input.is_terminal:
                        raise
                    kept = self.chat.keep() if reply is None else None
                    if kept is not None:
                        self._answer.show_rest(kept)
        except ERRORS as error:
            self._taken_back = list(new)
            self._explain(error)
            return
        finally:
            self._answer = None
        self._taken_back = list(new) if reply is None and kept is None else None
        if reply is None:
            said = "nothing was said yet, so the message is taken back" if kept is None else "what was said is kept"
            self.note(f"[stopped: {said}; /retry tries again]")
        else:
            self.stats.add(reply, time.perf_counter() - start)
            self._note_end(reply)

    def _explain(self, error: Exception) -> None:
        self.fail(error)
        advice = after_error(error)
        if advice is not None:
            self.note(advice)

    def _note_end(self, reply: ChatReply) -> None:
        cut = after_cut(reply.finish_reason, int(str(self.settings.value(MOST_TOKENS))), self._timeout)
        if cut is not None:
            self.note(cut)
        elif reply.tool_calls and reply.finish_reason == "stop":
            names = {tool["function"]["name"] for tool in self.tools if isinstance(tool, dict)}
            if any(call.name in names for call in reply.tool_calls):
                self._open = [call for call in reply.tool_calls if call.error is None]
                self.note("[what does the tool return? Your next line is its answer to the model]")
            else:
                self.note("[the last calls were not run; your next message goes on]")

    def _allows(self, name: str, arguments: dict[str, Any]) -> bool:
        if self._answer is not None:
            self._answer.pause()  # the function may write, too
        if self._allows_tools or name in self._allowed:
            return True
        written = json.dumps(arguments, ensure_ascii=False, default=repr)
        answer = self.ask(f"Run {name}({written})? [y]es, [n]o, [a]lways: ")
        if answer in ("a", "always"):
            self._allowed.add(name)
        return answer in ("y", "yes", "a", "always")

    # What commands do

    def set_system(self, text: str | None) -> None:
        """Sets what the model is told before the conversation, or drops it."""
        messages = self.chat.messages
        messages[: self._num_system()] = [] if text is None else [{"role": "system", "content": text}]

    def system(self) -> str | None:
        return str(self.chat.messages[0]["content"]) if self._num_system() else None

    def _num_system(self) -> int:
        messages = self.chat.messages
        return int(bool(messages) and messages[0]["role"] in ("system", "developer"))

    @property
    def thinks(self) -> bool:
        return bool(self.chat.variables.get("enable_thinking"))

    def set_thinking(self, is_on: bool) -> None:
        if is_on and "enable_thinking" not in compile_chat(self._tokenizer.chat_template or "").variables:
            raise ValueError("the chat template has no thinking mode")
        self.chat.variables["enable_thinking"] = is_on

    def offer(self, tools: list[Given], is_on: bool = True) -> None:
        """Offers these tools to the model, or none of them for now."""
        self.chat.offer([asking(tool, self._allows) for tool in tools] if is_on else None)
        self.tools, self.offers = tools, is_on

    def retry(self) -> None:
        new = self._taken_back or self._take_back()
        if not new:
            raise ValueError("there is no message to send again")
        self._taken_back = None
        self._reply_to(new)

    def undo(self) -> str:
        """Takes the user's last message back, and all behind it. Returns the message."""
        new = self._take_back()
        if not new:
            raise ValueError("there is nothing to take back")
        self._taken_back = new
        return str(new[0]["content"])

    def _take_back(self) -> list[Message]:
        self._forget_calls()
        messages = self.chat.messages
        begin = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=None)
        if begin is None:
            return []
        new = [messages[begin]]
        del messages[begin:]
        return new

    def clear(self) -> None:
        del self.chat.messages[self._num_system() :]
        self._taken_back = None
        self._forget_calls()

    def _forget_calls(self) -> None:
        self._open, self._results = [], []

    def save(self, path: Path | None) -> Path:
        """Writes the conversation. What is no conversation is only overwritten if the user says so."""
        path = path or self._file
        if path is None:
            raise ValueError("expected the name of a file")
        try:
            conversation_file.check_target(path)
            if not conversation_file.is_ours(path):
                question = f"{path} is there and is no conversation. Overwrite it? [y]es, [n]o: "
                if self.ask(question) not in ("y", "yes"):
                    raise ValueError(f"{path}: exists and is no conversation; it is not overwritten")
            conversation_file.save(path, self._name, self.chat.messages, self.thinks, self.settings.values)
        except OSError as error:
            raise ValueError(describe_error(error)) from None
        self._file = path
        return path

    def load(self, path: Path) -> None:
        """Goes on with a saved conversation. ValueError, and nothing is changed, if it cannot."""
        try:
            saved = conversation_file.read(path)
            settings = self.settings.replaced(saved.settings)
            variables = {**self.chat.variables, "enable_thinking": saved.think}
            self.model.chat(messages=saved.messages, variables=variables)  # what the template does not take raises
        except OSError as error:
            raise ValueError(describe_error(error)) from None
        except (ValueError, TypeError) as error:
            message = str(error)
            raise ValueError(message if message.startswith(str(path)) else f"{path}: {message}") from None
        self.chat.messages[:], self.settings, self.chat.variables = saved.messages, settings, variables
        self._taken_back, self._file = None, path
        self._forget_calls()
