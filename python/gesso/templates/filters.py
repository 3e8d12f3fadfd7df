"""Jinja's filters: those that keep no account of origins or of their work are replaced, the rest is wrapped."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jinja2 import filters, tests
from jinja2.environment import Environment
from jinja2.nodes import EvalContext
from jinja2.runtime import Undefined
from jinja2.utils import pass_environment, pass_eval_context
from markupsafe import Markup

from gesso.templates.budget import counted, spend, weigh, write
from gesso.templates.json_text import JsonWriter
from gesso.templates.marked_text import TEMPLATE, Text, as_text, joined, origin_of

# They print for people or for web pages. Some take quadratic time.
LEFT_OUT = {"pprint", "striptags", "urlize", "wordwrap", "xmlattr"}
# They compare their value or calculate with it. The others only look at its type.
COUNTED_TESTS = {"divisibleby", "even", "in", "lower", "odd", "upper"}
COUNTED_TESTS |= {name for name, test in tests.TESTS.items() if test.__module__ == "_operator"}
MAX_PRECISION = 300  # digits that `round` may be asked for; a float has no more

HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;"}


def tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """The filter as transformers has it: <, > and & stay as they are."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> Text:
    """`tojson`, with the origin of each character."""
    return JsonWriter(ensure_ascii, indent, separators, sort_keys).write(value)


@pass_environment
def _join(environment: Environment, value: Iterable[Any], d: str = "", attribute: str | int | None = None) -> Text:
    if attribute is not None:
        value = map(filters.make_attrgetter(environment, attribute), value)
    return as_text(str(d)).join(str(item) for item in value)


@pass_environment
def _sum(environment: Environment, iterable: Iterable[Any], attribute: Any = None, start: Any = 0) -> Any:
    if attribute is not None:
        iterable = map(filters.make_attrgetter(environment, attribute), iterable)
    total = start
    for item in iterable:
        spend(1 + (len(total) if isinstance(total, (list, tuple)) else 0) // 64)  # lists are copied for each item
        total = total + item
    return total


def _escape(value: object) -> Text:
    text = as_text(str(value))
    return text.each(lambda part: "".join(HTML.get(c, c) for c in part))


def _title(value: object) -> Text:
    return as_text(str(value)).each(filters.do_title)


@pass_eval_context
def _safe(context: EvalContext, value: object) -> str:
    return Markup(value) if context.autoescape else str(value)  # by default there is no escaping to turn off


def _round(value: float, precision: int = 0, method: Any = "common") -> float:
    if not -MAX_PRECISION <= precision <= MAX_PRECISION:
        raise ValueError(f"round: expected a precision of at most {MAX_PRECISION}, got {precision}")
    return filters.do_round(value, precision, method)


def _batch(value: Iterable[Any], linecount: int, fill_with: Any = None) -> Iterator[list[Any]]:
    spend(linecount)
    return filters.do_batch(value, linecount, fill_with)


def _indent(s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> Text:
    head, *lines = (as_text(s) + "\n").splitlines()
    space = as_text(width) if isinstance(width, str) else Text(" ", TEMPLATE) * width
    padded = (space + line if line or blank else line for line in lines)
    return joined([space if first else "", Text("\n", TEMPLATE).join([head, *padded])])


REPLACED: dict[str, Callable[..., Any]] = {
    "tojson": _tojson,
    "join": _join,
    "sum": _sum,
    "e": _escape,
    "escape": _escape,
    "forceescape": _escape,
    "title": _title,
    "safe": _safe,
    "round": _round,
    "batch": _batch,
    "indent": _indent,
}


def result_of(result: Any, values: Iterable[object]) -> Any:
    """Returns what a function has made of `values`: counted, and with the origin of `values` if it is a string."""
    if isinstance(result, (Text, Markup)):
        return result
    if isinstance(result, str):
        write(len(result))
        return Text(result, origin_of(*values))
    if isinstance(result, Iterator) and not isinstance(result, Undefined):
        return counted(result)
    weigh(result)
    return result


def _wrapped(function: Callable[..., Any], *, is_test: bool = False) -> Callable[..., Any]:
    num_hidden = 1 if hasattr(function, "jinja_pass_arg") else 0  # such a function gets the environment first

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        values = (*args[num_hidden:], *kwargs.values())
        spend(1)
        weigh(*values)
        # A string that Jinja itself has made must count its work, too.
        args = tuple(as_text(x) if isinstance(x, str) else x for x in args)
        return function(*args, **kwargs) if is_test else result_of(function(*args, **kwargs), values)

    return wrapper


KNOWN: dict[str, Any] = {**filters.FILTERS, **REPLACED}
KNOWN_TESTS: dict[str, Any] = tests.TESTS
FILTERS = {name: _wrapped(function) for name, function in KNOWN.items() if name not in LEFT_OUT}
TESTS = {name: _wrapped(x, is_test=True) if name in COUNTED_TESTS else x for name, x in KNOWN_TESTS.items()}
