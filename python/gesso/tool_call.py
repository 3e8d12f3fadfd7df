"""Calls of tools, as a model writes them.

    call:get_weather{city:<|"|>Paris<|"|>,days:2,list:[<|"|>a<|"|>],o:{k:1.5},ok:true}

A name and an object. Keys stand bare and end at the first colon, strings stand between two <|"|>, numbers and constants
are JSON's; Python's None counts as null, because that is how the published templates print it. Nothing is escaped: what
a string holds goes up to the next <|"|>.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

QUOTE = '<|"|>'
CONSTANTS = {"true": True, "false": False, "null": None, "None": None}
MAX_DEPTH = 100  # of objects and lists in each other
MAX_SHOWN = 20  # characters of what was met instead

NAME = re.compile(r"\s*call:\s*([^\s{}]+)")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
WORD = re.compile(r"[^,{}\[\]\s]*")
SPACE = re.compile(r"\s*")


@dataclass(frozen=True)
class ToolCall:
    """One call of a tool. With an `error` it could not be read: `raw` then has what there is."""

    name: str  # empty if even that could not be read
    arguments: dict[str, Any]  # empty after an error
    raw: str  # as the model wrote it, without the markers around
    error: str | None = None


def parse_call(raw: str) -> ToolCall:
    """Reads what stands between <|tool_call> and <tool_call|>. Never raises: it is a model's text."""
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
    """Reads values from `text`, `at` being the next character. ValueError says what was expected, and where."""

    def __init__(self, text: str, at: int):
        self.text, self.at = text, at

    def fail(self, expected: str) -> NoReturn:
        raise ValueError(f"character {self.at}: expected {expected}, got {_shown(self.text[self.at :])}")

    def take(self, token: str) -> bool:
        """Steps over white space, and over `token` if it is next."""
        self.at = SPACE.match(self.text, self.at).end()
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
        word = WORD.match(self.text, self.at)[0]
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
        """What stands in front of the next `token`; steps over both."""
        end = self.text.find(token, self.at)
        if end < 0:
            self.fail(f"{token!r} somewhere")
        found = self.text[self.at : end]
        self.at = end + len(token)
        return found

    def check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.fail(f"at most {MAX_DEPTH} objects and lists in each other")


def _shown(text: str) -> str:
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "...") if text else "the end"
