"""Reads the calls of tools that a model writes. A call looks like this:

    call:get_weather{city:<|"|>Paris<|"|>,days:2,list:[<|"|>a<|"|>],o:{k:1.5},ok:true}

A call is a name and an object. Keys have no quotes and end at the first colon. A string stands between two markers
<|"|>; there is no escaping, so it ends at the next <|"|>. Numbers and constants are those of JSON. Python's None also
counts as null, because the published templates print null as None.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

QUOTE = '<|"|>'
CONSTANTS = {"true": True, "false": False, "null": None, "None": None}
MAX_DEPTH = 100  # how deep objects and lists may be nested
MAX_SHOWN = 20  # an error message shows at most this many characters of the text that was found instead

NAME = re.compile(r"\s*call:\s*([^\s{}]+)")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
WORD = re.compile(r"[^,{}\[\]\s]*")
SPACE = re.compile(r"\s*")


@dataclass(frozen=True)
class ToolCall:
    """One call of a tool. If it could not be read, `error` says why, and `raw` has what the model wrote."""

    name: str  # empty if not even the name could be read
    arguments: dict[str, Any]  # empty if there is an error
    raw: str  # what the model wrote between <|tool_call> and <tool_call|>
    error: str | None = None


def parse_call(raw: str) -> ToolCall:
    """Reads the text between <|tool_call> and <tool_call|>.

    It never raises: a model wrote the text, so a mistake in it is no mistake of the program.
    """
    name = NAME.match(raw)
    if name is None:
        return ToolCall("", {}, raw, f"expected call:NAME{{...}}, got {_shown(raw)}")
    reader = _Reader(raw, name.end())
    try:
        arguments = reader.read_object(0)
        reader.expect_end()
    except ValueError as error:
        return ToolCall(name[1], {}, raw, str(error))
    return ToolCall(name[1], arguments, raw)


class _Reader:
    """Reads values from `text`. `at` is the index of the next character.

    A ValueError says what was expected and at which character.
    """

    def __init__(self, text: str, at: int):
        self.text, self.at = text, at

    def fail(self, expected: str) -> NoReturn:
        raise ValueError(f"character {self.at}: expected {expected}, got {_shown(self.text[self.at :])}")

    def take(self, token: str) -> bool:
        """Skips white space, and then `token` if it comes next. Returns whether it came next."""
        if space := SPACE.match(self.text, self.at):
            self.at = space.end()
        found = self.text.startswith(token, self.at)
        self.at += len(token) if found else 0
        return found

    def expect(self, token: str, or_else: str = "") -> None:
        if not self.take(token):
            self.fail(f"{token!r}{or_else}")

    def expect_end(self) -> None:
        self.take("")
        if self.at < len(self.text):
            self.fail("the end of the call")

    def read_value(self, depth: int) -> Any:
        if self.take(QUOTE):
            return self.read_until(QUOTE)
        if self.text.startswith("{", self.at):
            return self.read_object(depth + 1)
        if self.text.startswith("[", self.at):
            return self.read_list(depth + 1)
        match = WORD.match(self.text, self.at)
        word = match[0] if match else ""
        if word not in CONSTANTS and not NUMBER.fullmatch(word):
            self.fail(f"a number, true, false, null or a text in {QUOTE}")
        self.at += len(word)
        return CONSTANTS[word] if word in CONSTANTS else json.loads(word)

    def read_object(self, depth: int) -> dict[str, Any]:
        self.check_depth(depth)
        self.expect("{")
        values: dict[str, Any] = {}
        if self.take("}"):
            return values
        while True:
            key = self.read_until(":").strip().removeprefix(QUOTE).removesuffix(QUOTE)
            values[key] = self.read_value(depth)
            if self.take("}"):
                return values
            self.expect(",", " or '}'")

    def read_list(self, depth: int) -> list[Any]:
        self.check_depth(depth)
        self.expect("[")
        values: list[Any] = []
        if self.take("]"):
            return values
        while True:
            values.append(self.read_value(depth))
            if self.take("]"):
                return values
            self.expect(",", " or ']'")

    def read_until(self, token: str) -> str:
        """Returns the text in front of the next `token`, and skips both."""
        end = self.text.find(token, self.at)
        if end < 0:
            self.fail(f"{token!r} further on")
        found = self.text[self.at : end]
        self.at = end + len(token)
        return found

    def check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.fail(f"at most {MAX_DEPTH} nested objects and lists")


def _shown(text: str) -> str:
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "...") if text else "the end"
