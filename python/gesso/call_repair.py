"""Reads the text of a tool call that is not quite in the format, where it can mean only one thing.

`tool_call` lists the repairs. A repair is made only at the place where reading would fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from gesso.call_reader import CALL, KEY, NAME, NUMBER, QUOTE, SPACE, Container, Reader, Source, shown

NEXT_CALL = re.compile(r"[\s,;]*(?=call:)")
SLOPPY_CONSTANTS = {"True": True, "False": False}
SLOPPY_NUMBER = re.compile(r"[+-]?((0|[1-9][0-9]*(_[0-9]+)*)(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
FENCE = re.compile(r"\s*```([A-Za-z_]*(?=[\s{]))?")
NULL = re.compile(r"\s*(null|None|\[\s*\])")
NULL_INSIDE = re.compile(r"\s*(null|None)\s*(?=[})])")
PLAIN_END = {mark: re.compile(rf"[^{mark}\\]*(?:\\.[^{mark}\\]*)*{mark}", re.DOTALL) for mark in "\"'"}
ESCAPE = re.compile(r"\\[abfnrtvxuUN0-7/\\\"'\n]")  # in JSON or Python; other backslashes stand for themselves
# The beginning of a member of an object and of a list, where the comma in front is missing.
NEXT_KEY = re.compile(r"""("[^"\\\n]*"|'[^'\\\n]*'|[^\s:{}()\[\]<>"'`=,;|]+)\s*[:=]""")
NEXT_VALUE = re.compile(r"""["'{\[]|[-+.]?[0-9]|true|false|null|None|True|False""")


class Opening(NamedTuple):
    """How a text begins. A mark that is no token is a repair."""

    mark: str
    is_token: bool


class Choice(NamedTuple):
    """Which of a text's possible ends was taken, and whether there are more."""

    number: int
    has_more: bool


class RepairingReader(Reader):
    """Reads a call with repairs. `choices` says, for each text that can end in several places, which end to take."""

    def __init__(self, source: Source, at: int, closed: bool, choices: Sequence[int]):
        super().__init__(source, at)
        self.repaired = False
        self.made: list[Choice] = []
        self.choice_at = at  # where the last text begins that can end in several places
        self._closed, self._choices = closed, choices
        self._num_fences = 0
        self._is_json = True  # so far keys, texts, numbers and constants are those of JSON
        self._escape_at = -1  # where a text begins whose backslashes were read as JSON; -1: nowhere

    def read(self) -> None:
        self.skip_fence()
        if self.source.match(CALL, self.at):
            self.read_name()
            if self.take(":"):
                self.repair()
            self.skip_fence()
            self.arguments = self.read_arguments()
        else:
            self.read_json_call()
        while self._num_fences and self.ends("```"):
            self._num_fences -= 1
        self.read_end()
        if self._escape_at >= 0 and not self._is_json:
            self.at = self._escape_at
            self.fail("a text without backslashes, which can mean two things in plain quotes")

    def repair(self, is_json: bool = True) -> None:
        self.repaired = True
        self._is_json &= is_json

    def skip_fence(self) -> None:
        end = self.source.skip(FENCE, self.at)
        if end > self.at:
            self.repair()
            self._num_fences += 1
            self.at = end

    def read_arguments(self) -> dict[str, Any]:
        closer = "}" if self.take("{") else ")" if self.take("(") else ""
        if not closer:
            null_end = self.source.skip(NULL, self.at)
            if null_end == self.at and not (self._closed and self.at == len(self.text)):
                self.fail("'{'")
            self.at = null_end
            self.repair()
            return {}
        if closer == ")":
            self.repair()
        null_end = self.source.skip(NULL_INSIDE, self.at)
        if null_end > self.at:
            self.at = null_end
            self.repair()
        elif self.take("{"):  # f{{...}} or f({...})
            self.repair()
            arguments = self.read_members("}")
            if not self.ends(closer):
                self.fail(repr(closer))
            return arguments
        return self.read_members(closer)

    def read_json_call(self) -> None:
        """Reads {"name": NAME, "arguments": {...}}."""
        try:
            self.expect("{")
            call = self.read_members("}")
            name, arguments = call.pop("name"), call.pop("arguments")
            if call or not isinstance(arguments, dict) or not isinstance(name, str) or not NAME.fullmatch(name):
                raise ValueError
        except (ValueError, KeyError):
            raise ValueError(f"expected call:NAME{{...}}, got {shown(self.text, self.start)}") from None
        self.name, self.arguments = name, arguments
        self.repair()

    def read_end(self) -> None:
        """Reads braces too many, up to the end of the text or the next call."""
        while self.take("}"):
            self.repair()
        next_call = self.source.match(NEXT_CALL, self.at)
        if next_call:
            self.at = next_call.end()
            self.repair()
        elif self.at < len(self.text):
            self.fail("the end of the call")

    def ends(self, closer: str) -> bool:
        """Reads `closer`, also where it is missing at the end."""
        if self.take(closer):
            return True
        at_end = self._closed and self.at == len(self.text)
        if at_end:
            self.repair()
        return at_end

    def goes_on(self, values: Container, closer: str, follows: bool) -> bool:
        if self.ends(closer):
            return False
        if not follows:
            return True
        if self.take(","):
            is_last = self.take(closer)
            self.repaired |= is_last
            return not is_last
        if not self.begins_member(values, self.at):
            self.fail(f"',' or {closer!r}")
        self.repair()
        return True

    def begins_member(self, values: Container, at: int) -> bool:
        """Whether the next key, or the next value of a list, begins at `at`."""
        if self.source.is_mark(at):
            return True
        return self.source.match(NEXT_KEY if isinstance(values, dict) else NEXT_VALUE, at) is not None

    def read_key(self) -> str:
        self.take("")
        begin = self.at
        opening = self.opening()
        key = None
        if opening is None:
            self.at = self.source.skip(KEY, begin)
            key = self.text[begin : self.at].strip() or None
            self._is_json = False
        elif (end := self.find_end(opening, begin + len(opening.mark))) >= 0:
            self.at += len(opening.mark)
            key = self.read_text(opening, end)
        if key is not None and self.take(":"):
            return key
        if key is None or not self.take("="):
            self.at = begin
            self.fail("':' further on")
        self.repair(is_json=False)
        return key

    def read_scalar(self, values: Container, closer: str) -> Any:
        opening = self.opening()
        if opening is None:
            return super().read_scalar(values, closer)
        self.at += len(opening.mark)
        return self.read_text(opening, self.choose_end(opening, values, closer))

    def read_word(self, word: str) -> Any:
        self._is_json &= word != "None"
        sloppy_number = not NUMBER.fullmatch(word) and SLOPPY_NUMBER.fullmatch(word)
        if word not in SLOPPY_CONSTANTS and not sloppy_number:
            return super().read_word(word)
        self.repair(is_json=False)
        self.at += len(word)
        if word in SLOPPY_CONSTANTS:
            return SLOPPY_CONSTANTS[word]
        return json.loads(re.sub(r"^(-?)\.", r"\g<1>0.", word.replace("_", "").removeprefix("+")))

    def opening(self) -> Opening | None:
        found = (mark for mark in (QUOTE, '"', "'") if self.text.startswith(mark, self.at))
        return next((Opening(mark, self.source.is_mark(self.at)) for mark in found), None)

    def find_end(self, opening: Opening, begin: int) -> int:
        """The index of the next mark that can end a text; -1 if there is none. No token stands in plain quotes."""
        token = self.source.next_mark(begin)
        if opening.is_token:
            return token
        if opening.mark == QUOTE:
            end = self.source.find(QUOTE, begin)
        else:
            end = self.source.skip(PLAIN_END[opening.mark], begin) - 1
        return end if end >= begin and (token < 0 or end < token) else -1

    def choose_end(self, opening: Opening, values: Container, closer: str) -> int:
        """Returns where the text ends that begins here: at the next mark, if something follows that can follow there.

        Otherwise that mark is a part of the text, and the text ends at any later mark where it can.
        """
        end = self.find_end(opening, self.at)
        while opening.mark == "'" and is_apostrophe(self.text, end):
            end = self.find_end(opening, end + 1)
        if end < 0:
            self.fail(f"{opening.mark!r} further on")
        if self.may_end(end + len(opening.mark), values, closer):
            return end
        number = self._choices[len(self.made)] if len(self.made) < len(self._choices) else 0
        ends = self.later_ends(opening, end, values, closer)
        chosen = next(islice(ends, number, None), None)
        if chosen is None:
            self.at = end + len(opening.mark)
            self.fail(f"',' or {closer!r}")
        self.choice_at = self.at
        self.made.append(Choice(number, next(ends, None) is not None))
        self.repair()
        return chosen

    def later_ends(self, opening: Opening, end: int, values: Container, closer: str) -> Iterator[int]:
        while (end := self.find_end(opening, end + len(opening.mark))) >= 0:
            if self.may_end(end + len(opening.mark), values, closer):
                yield end

    def may_end(self, at: int, values: Container, closer: str) -> bool:
        """Whether a value of `values` may end at `at`."""
        at = self.source.skip(SPACE, at)
        if at == len(self.text):
            return self._closed
        if self.text.startswith(closer, at):
            return True
        if not self.text.startswith(",", at):
            return self.begins_member(values, at)
        at = self.source.skip(SPACE, at + 1)
        return isinstance(values, list) or self.text.startswith(closer, at) or self.begins_member(values, at)

    def read_text(self, opening: Opening, end: int) -> str:
        """Reads the text up to `end`, and the mark there."""
        begin, self.at = self.at, end + len(opening.mark)
        text = self.text[begin:end]
        if opening.is_token:
            self._is_json = False
            return text
        self.repair(is_json=opening.mark == '"')
        if opening.mark == QUOTE or not ESCAPE.search(text):
            return text
        unescaped = text.replace("\\" + opening.mark, opening.mark)
        if "\\" not in unescaped:
            return unescaped
        self._escape_at = begin
        try:
            return str(json.loads(f'"{text}"', strict=False))
        except ValueError:  # no JSON either
            self._is_json = False
            return text


def is_apostrophe(text: str, at: int) -> bool:
    """Whether the mark at `at` stands between letters, as in "it's"."""
    return at > 0 and text[at - 1].isalnum() and text[at + 1 : at + 2].isalnum()
