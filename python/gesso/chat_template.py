"""Renders the chat template of a checkpoint. A template is a Jinja program from a file; `templates` runs it.

Templates are written for transformers, so gesso gives them what transformers gives them (its file
utils/chat_template_utils.py): its block trimming, the tags `break`, `continue` and `generation`, the functions
`raise_exception` and `strftime_now`, and a `tojson` that does not escape <, > and &. What only serves web pages or the
display of data is left out, see `templates/filters.py`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import jinja2

from gesso.templates.budget import MAX_SOURCE, Budget, write
from gesso.templates.filters import tojson
from gesso.templates.marked_text import TEMPLATE, Caller, Text
from gesso.templates.reads import names_read
from gesso.templates.sandbox import TemplateEnvironment, check_branching

MAX_MESSAGE = 1000  # characters of an error's text, which the template may have written


@dataclass(frozen=True)
class CompiledTemplate:
    """A template that is ready to render."""

    template: jinja2.Template
    variables: frozenset[str]  # the names that it reads


@lru_cache(maxsize=8)
def compile_template(source: str) -> CompiledTemplate:
    """Compiles a template. Raises ValueError when `source` is not valid Jinja, or too long."""
    if len(source) > MAX_SOURCE:
        raise ValueError(f"chat template: expected at most {MAX_SOURCE} characters, got {len(source)}")
    environment = TemplateEnvironment({"raise_exception": _raise_exception, "strftime_now": _strftime_now})
    try:
        with Budget().active():
            tree = environment.parse(source)
            check_branching(tree)
            return CompiledTemplate(environment.from_string(source), names_read(tree) - set(environment.globals))
    # Jinja raises more than its own errors: the code that it writes may be nested too deep for Python, for example.
    except Exception as error:
        line = f"line {error.lineno}: " if isinstance(error, jinja2.TemplateSyntaxError) else ""
        reason = getattr(error, "message", None) or str(error) or type(error).__name__
        raise ValueError(f"chat template: cannot be compiled: {line}{reason}") from error


def render(compiled: CompiledTemplate, given: Mapping[str, object], tokens: Mapping[str, str]) -> Text:
    """Renders a template. Raises ValueError when it refuses the messages, fails on them or reaches a limit.

    given: what the caller gives: the messages and other variables. Strings in it have the origin CALLER in the result.
    tokens: special tokens for the template, such as bos_token. They count as written by the template.
    """
    caller = Caller()
    try:
        variables = {name: Text(token, TEMPLATE) for name, token in tokens.items()}
        variables |= {name: caller.mark(value) for name, value in given.items()}
    except RecursionError:
        raise ValueError("messages: a value holds itself, or is nested too deep") from None
    with Budget(caller.num_items, caller.num_characters).active():
        try:
            text: str = compiled.template.render(variables)
        except Exception as error:  # the template is a program from the file, so it can raise anything
            reason = str(error)[:MAX_MESSAGE]
            raise ValueError(f"chat template: {type(error).__name__}: {reason}") from error
    assert isinstance(text, Text)  # `TemplateEnvironment.concat` makes it
    return text


def check_variables(compiled: CompiledTemplate, names: Iterable[str], parameters: Collection[str] = ()) -> None:
    """Raises TypeError for a variable that the template does not read; it names one that was probably meant.

    parameters: further names that a caller can give, whether the template reads them or not.
    """
    for name in names:
        if name in compiled.variables:
            continue
        near = difflib.get_close_matches(name, compiled.variables.union(() if name in parameters else parameters), n=1)
        hint = f"did you mean {near[0]}?" if near else f"it reads {', '.join(sorted(compiled.variables)) or 'none'}"
        raise TypeError(f"{name}: the chat template reads no variable of this name; {hint}")


def prepare_messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the messages in the form that chat templates expect.

    The `arguments` of a tool call become an object when they are JSON text, as in OpenAI's API: some templates render
    text in their place wrongly and raise no error. Arguments that are empty, null or missing become an empty object.
    The content of a tool's message becomes JSON text when it is an object. Raises ValueError when arguments are not a
    JSON object.
    """
    return [_prepare(message, f"messages[{i}]") for i, message in enumerate(messages)]


def _prepare(message: dict[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise TypeError(f"{where}: expected a dict with role and content, got {type(message).__name__}")
    message = dict(message)
    if message.get("role") == "tool" and isinstance(message.get("content"), dict):
        message["content"] = tojson(message["content"])
    if message.get("tool_calls"):
        calls = enumerate(message["tool_calls"])
        message["tool_calls"] = [_prepare_call(call, f"{where}.tool_calls[{i}]") for i, call in calls]
    return message


def _prepare_call(call: dict[str, Any], where: str) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str | None):
        return call
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}.function.arguments: expected a JSON object: {error}") from None
    if arguments is not None and not isinstance(arguments, dict):
        raise ValueError(f"{where}.function.arguments: expected a JSON object, got {function['arguments']!r}")
    return call | {"function": function | {"arguments": arguments or {}}}


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _strftime_now(layout: str) -> str:
    write(16 * len(layout))
    return datetime.now().strftime(layout)
