"""Reads the text of one tool call strictly, as the format has it. `repair` reads what is not quite in the format.

A reader raises ValueError where it cannot go on. The message says what was expected, and at which character.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NoReturn

QUOTE = '<|"|>'
CONSTANTS = {"true": True, "false": False, "null": None, "None": None}
MAX_DEPTH = 32  # how deep objects and lists may be nested, so that a template may call three macros for each
MAX_DIGITS = 1000  # of an integer; a template takes 4096 bits, which are 1233 digits
MAX_SHOWN = 20  # an error message shows at most this many characters of the text that was found instead
CLOSERS = {"{": "}", "[": "]"}

# What may stand in the name of a tool, and in a key without quotes.
NAME = re.compile(r"""[^\s{}()\[\]<>"'`=,;|]*[^\s{}()\[\]<>"'`=,;|:]""")
KEY = re.compile(r"[\w.$/-]+")
CALL = re.compile(r"\s*call:\s*")
SPACE = re.compile(r"\s*")
WORD = re.compile(r"[^,;{}\[\]()\s]*")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")

Container = dict[str, Any] | list[Any]


class Source:
    """The text of one or several calls, and the places of its quotation marks <|"|>.

    marks: the indices where the token <|"|> stands, ascending. None: it stands wherever the text spells it.
    All that a reader looks at goes through `match`, `search` and `find`, so a test can count it.
    """

    def __init__(self, text: str, marks: Sequence[int] | None = None):
        self.text = text
        self._marks = [found.start() for found in re.finditer(re.escape(QUOTE), text)] if marks is None else marks
        self._places = frozenset(self._marks)

    def match(self, pattern: re.Pattern[str], at: int) -> re.Match[str] | None:
        return pattern.match(self.text, at)

    def search(self, pattern: re.Pattern[str], begin: int, end: int) -> re.Match[str] | None:
        return pattern.search(self.text, begin, end)

    def find(self, token: str, at: int) -> int:
        return self.text.find(token, at)

    def skip(self, pattern: re.Pattern[str], at: int) -> int:
        """The index behind what `pattern` matches at `at`; `at` if it does not match."""
        found = self.match(pattern, at)
        return found.end() if found else at

    def is_mark(self, at: int) -> bool:
        return at in self._places

    def next_mark(self, at: int) -> int:
        """The index of the first mark at `at` or behind; -1 if there is none."""
        index = bisect_left(self._marks, at)
        return self._marks[index] if index < len(self._marks) else -1


class Reader:
    """Reads a call strictly. `at` is the index of the next character."""

    def __init__(self, source: Source, at: int):
        self.source, self.text, self.at, self.start = source, source.text, at, at
        self.name = ""  # empty until it has been read
        self.arguments: dict[str, Any] = {}

    def read(self) -> None:
        """Reads name and arguments. Afterwards `at` is behind the call."""
        self.read_name()
        self.expect("{")
        self.arguments = self.read_members("}")
        self.take("")
        if self.at < len(self.text):
            self.fail("the end of the call")

    def read_name(self) -> None:
        name = self.source.match(NAME, self.source.skip(CALL, self.at))
        if not self.source.match(CALL, self.at) or name is None:
            raise ValueError(f"expected call:NAME{{...}}, got {shown(self.text, self.at)}")
        self.name, self.at = name[0], name.end()

    def read_members(self, closer: str) -> dict[str, Any]:
        """Reads the members of an object whose beginning has been read, and its end, which is `closer`."""
        root: dict[str, Any] = {}
        open_: list[tuple[Container, str]] = [(root, closer)]  # no recursion: a model may nest as deep as it likes
        follows = False  # whether a value stands in front, in the same object or list
        while open_:
            values, closer = open_[-1]
            if not self.goes_on(values, closer, follows):
                open_.pop()
                follows = True
                continue
            key = self.read_new_key(values) if isinstance(values, dict) else ""
            self.take("")
            opener = self.text[self.at : self.at + 1]
            follows = opener not in CLOSERS
            if follows:
                value = self.read_scalar(values, closer)
            elif len(open_) > MAX_DEPTH:
                self.fail(f"at most {MAX_DEPTH} nested objects and lists")
            else:
                self.at += 1
                value = {} if opener == "{" else []
                open_.append((value, CLOSERS[opener]))
            if isinstance(values, dict):
                values[key] = value
            else:
                values.append(value)
        return root

    def goes_on(self, values: Container, closer: str, follows: bool) -> bool:
        """Reads what stands between two values. Returns False if the object or list ends here."""
        if self.take(closer):
            return False
        if follows:
            self.expect(",", f" or {closer!r}")
        return True

    def read_new_key(self, values: dict[str, Any]) -> str:
        """Reads a key, which `values` does not have yet, and the colon."""
        self.take("")
        begin = self.at
        key = self.read_key()
        if key in values:
            self.at = begin
            self.fail("a key that was not given before")
        return key

    def read_key(self) -> str:
        """Reads a key, which begins here, and the colon."""
        if self.source.is_mark(self.at):
            key = self.read_marked()
        else:
            begin, self.at = self.at, self.source.skip(KEY, self.at)
            key = self.text[begin : self.at]
            if not key:
                self.fail("a key")
        self.expect(":")
        return key

    def read_marked(self) -> str:
        """Reads a text between two tokens <|"|>."""
        begin = self.at = self.at + len(QUOTE)
        end = self.source.next_mark(begin)
        if end < 0:
            self.fail(f"{QUOTE!r} further on")
        self.at = end + len(QUOTE)
        return self.text[begin:end]

    def read_scalar(self, values: Container, closer: str) -> Any:
        """Reads a text, a number or a constant, which stands in `values`."""
        if self.source.is_mark(self.at):
            return self.read_marked()
        return self.read_word(self.text[self.at : self.source.skip(WORD, self.at)])

    def read_word(self, word: str) -> Any:
        if word not in CONSTANTS and not NUMBER.fullmatch(word):
            self.fail(f"a number, true, false, null or a text in {QUOTE}")
        value = CONSTANTS[word] if word in CONSTANTS else self.to_number(word)
        self.at += len(word)
        return value

    def to_number(self, word: str) -> int | float:
        """The value of a number as JSON writes it. `at` is where it begins."""
        digits = word.removeprefix("-")
        if digits.isdigit() and len(digits) > MAX_DIGITS:
            self.fail(f"an integer of at most {MAX_DIGITS} digits")
        value: int | float = json.loads(word)
        if isinstance(value, float) and math.isinf(value):
            self.fail("a number between -1.8e308 and 1.8e308")
        return value

    def take(self, token: str) -> bool:
        """Skips white space, and then `token` if it comes next. Returns whether it came next."""
        self.at = self.source.skip(SPACE, self.at)
        found = self.text.startswith(token, self.at)
        self.at += len(token) if found else 0
        return found

    def expect(self, token: str, or_else: str = "") -> None:
        if not self.take(token):
            self.fail(f"{token!r}{or_else}")

    def fail(self, expected: str) -> NoReturn:
        raise ValueError(f"character {self.at}: expected {expected}, got {shown(self.text, self.at)}")


def shown(text: str, at: int) -> str:
    """How a message shows the text from `at` on."""
    found = text[at : at + MAX_SHOWN + 1]
    return repr(found if len(found) <= MAX_SHOWN else found[:MAX_SHOWN] + "...") if found else "the end"
