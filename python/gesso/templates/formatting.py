"""The operator % and `str.format` for texts that know their origins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2.sandbox import SandboxedEnvironment, SandboxedFormatter

from gesso.templates.budget import weigh, write
from gesso.templates.marked_text import UNKNOWN, Text, as_text, joined, origin_of

# One conversion: %(key)-5.3d, %*d, %%.
CONVERSION = re.compile(
    r"%(?:\((?P<key>[^()]*)\))?(?P<flags>[#0\- +]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?[hlL]?(?P<kind>.)",
    re.DOTALL,
)


def percent(template: Text, values: Any) -> Text:
    """Returns `template % values`."""
    queue = list(values) if isinstance(values, tuple) else [values]
    pieces: list[str] = []
    end, by_key = 0, False
    while (begin := template.find("%", end)) >= 0:
        match = CONVERSION.match(template, begin)
        if match is None:
            raise ValueError("incomplete format")
        pieces.append(template[end:begin])
        end = match.end()
        if match["kind"] == "%":
            pieces.append(template[begin : begin + 1])
        elif match["key"] is not None:
            by_key = True
            pieces.append(_convert(match, [values[match["key"]]]))
        else:
            pieces.append(_convert(match, queue))
    if queue and not by_key and not (isinstance(values, (Mapping, list)) and len(queue) == 1):
        raise TypeError("not all arguments converted during string formatting")
    return joined([*pieces, template[end:]])


def _convert(match: re.Match[str], queue: list[Any]) -> Text:
    """Returns the text of one conversion, whose value stands first in `queue`."""
    sizes = [_number(match[name], queue) for name in ("width", "precision")]
    if not queue:
        raise TypeError("not enough arguments for format string")
    value = queue.pop(0)
    weigh(value)
    write(sum(abs(size) for size in sizes if size is not None))
    width, precision = ("" if size is None else str(size) for size in sizes)
    layout = f"%{match['flags']}{width}{'.' if sizes[1] is not None else ''}{precision}{match['kind']}"
    result = layout % (value,)
    if match["kind"] == "s" and isinstance(value, str):
        return _around(result, as_text(value)[: sizes[1]])
    return Text(result, origin_of(value))


def _number(written: str | None, queue: list[Any]) -> int | None:
    if written != "*":
        return None if written is None else int(written or 0)
    if not queue or not isinstance(queue[0], int):
        raise TypeError("* wants int")
    return int(queue.pop(0))


def _around(result: str, inner: Text) -> Text:
    """Returns `result`, which is `inner` with something in front of it or behind it."""
    begin = result.find(inner)
    return joined([result[:begin], inner, result[begin + len(inner) :]])


def braces(environment: SandboxedEnvironment, template: Text, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Text:
    """Returns `template.format(*args, **kwargs)`. Attributes of the values are read as the sandbox reads them."""
    return _Fields(environment, origin_of(template), args, kwargs).expand(template, depth=2)


class _Fields:
    def __init__(
        self, environment: SandboxedEnvironment, origin: bytes, args: Sequence[Any], kwargs: Mapping[str, Any]
    ):
        self._formatter = SandboxedFormatter(environment)
        self._origin, self._args, self._kwargs = origin, args, kwargs
        self._next = 0

    def expand(self, template: str, depth: int) -> Text:
        if depth == 0:
            raise ValueError("Max string recursion exceeded")
        pieces: list[str] = []
        for literal, name, layout, conversion in self._formatter.parse(str.__str__(template)):
            pieces.append(Text(literal, self._origin))
            if name is not None:
                name = self._numbered(name)
                pieces.append(self._field(name, self.expand(layout, depth - 1) if layout else "", conversion))
        return joined(pieces)

    def _numbered(self, name: str) -> str:
        """Returns the name of a field; one that has none has the next number."""
        if name and name[0] not in ".[":
            return name
        self._next += 1
        return f"{self._next - 1}{name}"

    def _field(self, name: str, layout: str, conversion: str | None) -> Text:
        value = self._formatter.get_field(name, self._args, self._kwargs)[0]
        weigh(value)
        value = self._formatter.convert_field(value, conversion)
        if isinstance(value, str) and not layout:
            return as_text(value)
        write(max(map(int, re.findall(r"\d+", layout)), default=0))
        result = format(value, layout)
        if isinstance(value, str):
            inner = as_text(value)
            while inner and inner not in result:  # a precision has cut it
                inner = inner[:-1]
            return _around(result, inner)
        return Text(result, origin_of(value) if conversion is None else UNKNOWN)
