"""The calls of tools that a model writes. A call looks like this:

    call:get_weather{city:<|"|>Paris<|"|>,days:2,list:[<|"|>a<|"|>],o:{k:1.5},ok:true}

A call is a name and an object. A key is a word of letters, digits and _ - . $ /, or stands between two markers <|"|>.
No key comes twice in an object. A string stands between two markers <|"|>; there is no escaping, so it ends at the next
<|"|>. Numbers and constants are those of JSON. Python's None also counts as null, because the published templates print
null as None.

Models also write calls that are not quite so. They are read where they can mean only one thing:

- texts and keys in plain quotes, also with such a quote inside, if the text can end in one place only;
- a missing comma, missing last braces and brackets, braces too many at the end;
- in an object, commas too many and semicolons in place of commas; in a list, a comma too many in the last place;
- keys of several words, or with signs such as @;
- f(a=1), f({...}), f{{...}}, f{null}, f() and f alone; = in place of the colon;
- Python's True and False; numbers such as +1, .5 and 1_000;
- a call in ``` fences, and one as a JSON object with "name" and "arguments";
- several calls within one pair of markers.

What is missing at the end is repaired only if a marker ends the call. Otherwise the reply was cut off, and more might
have come. In plain quotes, a backslash may begin an escape or stand for itself. That is certain only in front of such a
quote, where no escape has that letter, or if all keys and values are JSON. A text in plain quotes with such a quote
inside is not read if it may have swallowed other values: {path:"a.txt, mode:"w"} is not read. Nor is ['it''s'], which
may be one text or two. An escape that stands for half a character alone, such as \\ud800, is in no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gesso.calls.reader import QUOTE, Reader, Source, shown

if TYPE_CHECKING:
    from gesso.calls.repair import RepairingReader

MAX_READINGS = 32  # how many ways to read one call are tried, at most
# If a call is so long that they would take seconds, they end at this many characters, but not before a few are tried.
MAX_READ = 1 << 18
LEAST_READINGS = 4


@dataclass(frozen=True)
class ToolCall:
    """One call of a tool. If it could not be read, `error` says why, and `raw` has what the model wrote.

    name: the name of the tool, which may be one that nobody offered; empty if not even the name could be read.
    arguments: the values by key: str, int, float (finite), bool, None, list and dict. Empty if there is an error.
    raw: what the model wrote between <|tool_call> and <tool_call|>, or its part for this call.
    error: why the call could not be read, and at which character of the text between the markers; None if it was read.
    repaired: whether the call was read although it is not quite in the format. Then it can mean only one thing.
    """

    name: str
    arguments: dict[str, Any]
    raw: str
    error: str | None = None
    repaired: bool = False


def parse_calls(raw: str, closed: bool = True, marks: Sequence[int] | None = None) -> list[ToolCall]:
    """Reads the text between <|tool_call> and <tool_call|>: one call, or several if a model wrote several.

    closed: whether a marker ends the text. If not, the reply was cut off.
    marks: the indices where the token <|"|> stands in the text, ascending; None: wherever the text spells it.

    It never raises: a model wrote the text, so a mistake in it is no mistake of the program.
    """
    source = Source(raw, marks)
    call, end = _parse_call(source, 0, closed)
    calls = [call]
    while end < len(raw):
        call, end = _parse_call(source, end, closed)
        calls.append(call)
    return calls if len(calls) == 1 else [replace(call, repaired=call.error is None) for call in calls]


def _parse_call(source: Source, begin: int, closed: bool) -> tuple[ToolCall, int]:
    """Reads the call at `begin`. Returns it, and where the next one begins."""
    strict = Reader(source, begin)
    try:
        strict.read()
    except ValueError:
        reader, error = _read_repaired(source, begin, closed)
        if error is not None:
            return ToolCall(reader.name, {}, source.text[begin:], error), len(source.text)
        return ToolCall(reader.name, reader.arguments, source.text[begin : reader.at], repaired=True), reader.at
    return ToolCall(strict.name, strict.arguments, source.text[begin:]), len(source.text)


def _read_repaired(source: Source, at: int, closed: bool) -> tuple[RepairingReader, str | None]:
    """Reads the call at `at`. Returns the reader that read it, and None; or one that did not, and the reason.

    closed: a marker ends the text.
    """
    from gesso.calls.repair import RepairingReader  # its patterns take long to compile, and few calls need it

    found: RepairingReader | None = None
    failed: tuple[RepairingReader, str] | None = None
    choices: list[int] = []
    num_read = 0
    for reading in range(MAX_READINGS):
        reader = RepairingReader(source, at, closed, choices)
        try:
            reader.read()
        except ValueError as failure:
            failed = failed or (reader, str(failure))
        else:
            if found or reader.in_doubt:
                break
            found = reader
        while reader.made and not reader.made[-1].has_more:
            reader.made.pop()
        if not reader.made:
            return (found, None) if found else failed or (reader, None)
        num_read += max(reader.at, reader.choice_at) - at
        if num_read > MAX_READ and reading + 1 >= LEAST_READINGS:
            break
        choices = [choice.number for choice in reader.made]
        choices[-1] += 1
    got = shown(source.text, reader.choice_at)
    return reader, f"character {reader.choice_at}: expected a text that can end in one place only, got {got}"


class CallText:
    """What a model writes between <|tool_call> and <tool_call|>, piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._marks: list[int] = []

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)

    def add_quote(self) -> None:
        """Adds the token <|"|>. In `add` it would be text."""
        self._marks.append(self._length)
        self.add(QUOTE)

    def read(self, closed: bool) -> list[ToolCall]:
        """Reads what was added. closed: a marker ends it."""
        return parse_calls("".join(self._pieces), closed, self._marks)
