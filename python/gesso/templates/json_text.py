"""Writes JSON of values whose strings know who has written them. Each character keeps its origin, escapes included."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gesso.templates.budget import write
from gesso.templates.marked_text import TEMPLATE, UNKNOWN, Text, as_text, joined

MAX_INDENT = 100  # columns for each level of JSON


class JsonWriter:
    """Writes what `json.dumps` writes with the same arguments.

    Brackets, quotes, true, false, null and the default separators count as written by the template. A number has no
    origin: it may have come from the caller.
    """

    def __init__(
        self,
        ensure_ascii: bool = False,
        indent: int | str | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ):
        size = len(indent) if isinstance(indent, str) else indent or 0
        if size > MAX_INDENT:
            raise ValueError(f"tojson: expected an indentation of at most {MAX_INDENT}, got {size}")
        self._encoder = json.JSONEncoder(ensure_ascii=ensure_ascii)
        self._indent = Text(" ", TEMPLATE) * indent if isinstance(indent, int) else indent
        between, behind_key = separators or (_own("," if indent is not None else ", "), _own(": "))
        self._between, self._behind_key = as_text(between), as_text(behind_key)
        self._sort_keys = sort_keys

    def write(self, value: object) -> Text:
        """Raises TypeError for a value that JSON lacks."""
        pieces = []
        for piece in self._pieces(value, 0):
            write(len(piece))  # it is counted before the next one is made
            pieces.append(piece)
        return joined(pieces)

    def _pieces(self, value: object, depth: int) -> Iterator[Text]:
        if isinstance(value, str):
            yield self._string(value)
        elif isinstance(value, dict):
            items = sorted(value.items()) if self._sort_keys else value.items()
            yield from self._braced("{", "}", ((self._key(key), item) for key, item in items), depth)
        elif isinstance(value, (list, tuple)):
            yield from self._braced("[", "]", ((None, item) for item in value), depth)
        else:
            yield self._scalar(value)

    def _braced(self, begin: str, end: str, items: Iterator[tuple[Text | None, object]], depth: int) -> Iterator[Text]:
        yield _own(begin)
        is_empty = True
        for key, item in items:
            if not is_empty:
                yield self._between
            yield from self._line(depth + 1)
            is_empty = False
            if key is not None:
                yield key
                yield self._behind_key
            yield from self._pieces(item, depth + 1)
        if not is_empty:
            yield from self._line(depth)
        yield _own(end)

    def _line(self, depth: int) -> Iterator[Text]:
        if self._indent is not None:
            yield _own("\n")
            yield as_text(self._indent) * depth

    def _string(self, value: str) -> Text:
        inner = as_text(value).each(lambda part: self._encoder.encode(part)[1:-1])
        return _quoted(inner)

    def _key(self, key: object) -> Text:
        if isinstance(key, str):
            return self._string(key)
        if key is None or isinstance(key, (int, float)):
            return _quoted(self._scalar(key))
        raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")

    def _scalar(self, value: object) -> Text:
        return Text(self._encoder.encode(value), TEMPLATE if value is None or isinstance(value, bool) else UNKNOWN)


def _own(text: str) -> Text:
    return Text(text, TEMPLATE)


def _quoted(text: Text) -> Text:
    return Text("".join(['"', text, '"']), TEMPLATE + text.origins + TEMPLATE)
