"""Reads the text of a tool call that is not quite in the format, where it can mean only one thing.

`tool_call` lists the repairs. A repair is made only at the place where reading would fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from gesso.calls.patterns import (
    COMMA,
    ESCAPE,
    FENCE,
    NEXT_CALL,
    NEXT_KEY,
    NEXT_VALUE,
    NULL,
    NULL_INSIDE,
    PLAIN_END,
    SEPARATED_KEY,
    SEPARATORS,
    SLOPPY_CONSTANTS,
    SLOPPY_KEY,
    SLOPPY_NUMBER,
    SURROGATE,
    SWALLOWING,
)
from gesso.calls.reader import CALL, NAME, NUMBER, QUOTE, SPACE, Container, Reader, Source, shown


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
        self.made: list[Choice] = []
        self.choice_at = at  # where the last text begins that can end in several places
        self.in_doubt = False  # the text at `choice_at` may have swallowed other values
        self._closed, self._choices = closed, choices
        self._num_fences = 0
        self._is_json = True  # so far keys, texts, numbers and constants are those of JSON
        self._escape_at = -1  # where a text begins whose backslashes were read as JSON; -1: nowhere

    def read(self) -> None:
        self.skip_fence()
        if self.source.match(CALL, self.at):
            self.read_name()
            self.take(":")
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

    def skip_fence(self) -> None:
        end = self.source.skip(FENCE, self.at)
        self._num_fences += end > self.at
        self.at = end

    def read_arguments(self) -> dict[str, Any]:
        closer = "}" if self.take("{") else ")" if self.take("(") else ""
        if not closer:
            begin, self.at = self.at, self.source.skip(NULL, self.at)
            if self.at == begin and not (self._closed and self.at == len(self.text)):
                self.fail("'{'")
            return {}
        begin, self.at = self.at, self.source.skip(NULL_INSIDE, self.at)
        if self.at == begin and self.take("{"):  # f{{...}} or f({...})
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

    def read_end(self) -> None:
        """Reads braces too many, up to the end of the text or the next call."""
        while self.take("}"):
            pass
        next_call = self.source.match(NEXT_CALL, self.at)
        if next_call:
            self.at = next_call.end()
        elif self.at < len(self.text):
            self.fail("the end of the call")

    def ends(self, closer: str) -> bool:
        """Reads `closer`, also where it is missing at the end."""
        return self.take(closer) or (self._closed and self.at == len(self.text))

    def goes_on(self, values: Container, closer: str, follows: bool) -> bool:
        if self.ends(closer):
            return False
        begin = self.at
        if follows or isinstance(values, dict):
            self.at = self.skip_separators(values, begin)
        if self.at > begin:
            return not self.take(closer)
        if follows and not self.begins_member(values, begin):
            self.fail(f"',' or {closer!r}")
        return True

    def skip_separators(self, values: Container, at: int) -> int:
        return self.source.skip(SEPARATORS if isinstance(values, dict) else COMMA, at)

    def begins_member(self, values: Container, at: int, separated: bool = False) -> bool:
        """Whether the next key, or the next value of a list, begins at `at`. separated: a comma stands in front."""
        if self.source.is_mark(at):
            return True
        next_key = SEPARATED_KEY if separated else NEXT_KEY
        return self.source.match(next_key if isinstance(values, dict) else NEXT_VALUE, at) is not None

    def read_key(self) -> str:
        begin = self.at
        opening = self.opening()
        key = None
        if opening is None:
            self.at = self.source.skip(SLOPPY_KEY, begin)
            key = self.text[begin : self.at] or None
            self._is_json = False
        elif (end := self.find_end(opening, begin + len(opening.mark))) >= 0:
            self.at += len(opening.mark)
            key = self.read_text(opening, end)
            if not opening.is_token and set(",;") & set(key) and set(":=") & set(key):
                key = None  # {"a:1,b":2} may mean {a:1,b:2}
        if key is not None and self.take(":"):
            return key
        # In f(Paris days=2) a key is missing.
        if key is None or (opening is None and " " in key) or not self.take("="):
            self.at = begin
            self.fail("a key and ':'")
        self._is_json = False
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
        self._is_json = False
        number = re.sub(r"^(-?)\.", r"\g<1>0.", word.replace("_", "").removeprefix("+"))
        value = SLOPPY_CONSTANTS[word] if word in SLOPPY_CONSTANTS else self.to_number(number)
        self.at += len(word)
        return value

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
        end = first = self.find_end(opening, self.at)
        while opening.mark == "'" and is_apostrophe(self.text, end):
            end = self.find_end(opening, end + 1)
        if end < 0:
            self.fail(f"{opening.mark!r} further on")
        if self.may_end(end + len(opening.mark), values, closer):
            self.doubt(opening, end, values, closer, end > first)
            return end
        number = self._choices[len(self.made)] if len(self.made) < len(self._choices) else 0
        ends = self.later_ends(opening, end, values, closer)
        chosen = next(islice(ends, number, None), None)
        if chosen is None:
            self.at = end + len(opening.mark)
            self.fail(f"',' or {closer!r}")
        self.choice_at = self.at
        self.made.append(Choice(number, next(ends, None) is not None))
        self.doubt(opening, chosen, values, closer, has_marks=True)
        return chosen

    def doubt(self, opening: Opening, end: int, values: Container, closer: str, has_marks: bool) -> None:
        """Notes if the text that ends at `end` may have swallowed other values. has_marks: its own mark is in it."""
        in_object, in_list = SWALLOWING[opening.mark]
        pattern = in_object if isinstance(values, dict) else in_list
        swallows = has_marks and self.source.search(pattern, self.at, end) is not None
        behind = self.source.skip(SPACE, end + len(opening.mark))
        if isinstance(values, list) and not opening.is_token:
            swallows |= self.touches_value(opening, end + len(opening.mark), closer)
        # Of {a:"x, b:"c:"y"} the text `x, b:` would be the first.
        if not self.text.startswith((",", ";", closer), behind) and behind < len(self.text):
            swallows |= self.text[self.at : end].rstrip().endswith((",", ";", ":", "="))
        if swallows:
            self.in_doubt, self.choice_at = True, self.at

    def touches_value(self, opening: Opening, at: int, closer: str) -> bool:
        """Whether a value of a list begins right behind the mark in front of `at`, and the text may go on up to a mark.

        ['it''s'] may be one text, with a mark that is written twice, as in SQL.
        """
        if at == len(self.text) or self.text[at].isspace() or self.text.startswith((",", ";", closer), at):
            return False
        return self.find_end(opening, at) >= 0

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
        next_at = self.skip_separators(values, at)
        if next_at == at:
            return self.begins_member(values, at)
        if isinstance(values, list) or self.text.startswith(closer, next_at):
            return True
        return self.begins_member(values, next_at, separated=True)

    def read_text(self, opening: Opening, end: int) -> str:
        """Reads the text up to `end`, and the mark there."""
        begin, self.at = self.at, end + len(opening.mark)
        text = self.text[begin:end]
        if opening.is_token:
            self._is_json = False
            return text
        self._is_json &= opening.mark == '"'
        if opening.mark == QUOTE or not ESCAPE.search(text):
            return text
        unescaped = text.replace("\\" + opening.mark, opening.mark)
        if "\\" not in unescaped:
            return unescaped
        self._escape_at = begin
        try:
            text = str(json.loads(f'"{text}"', strict=False))
        except ValueError:  # no JSON either
            self._is_json = False
        if half := SURROGATE.search(text):
            self.at = begin
            self.fail(f"whole characters, and no half such as \\u{ord(half[0]):04x}")
        return text


def is_apostrophe(text: str, at: int) -> bool:
    """Whether the mark at `at` stands between letters, as in "it's"."""
    return at > 0 and text[at - 1].isalnum() and text[at + 1 : at + 2].isalnum()
