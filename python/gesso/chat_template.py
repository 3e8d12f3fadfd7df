"""Renders the chat template of a checkpoint. A template is a Jinja program from a file; it runs in Jinja's sandbox.

Templates are written for transformers, so gesso gives them what transformers gives them (its file
utils/chat_template_utils.py): its block trimming, the tags `break`, `continue` and `generation`, the functions
`raise_exception` and `strftime_now`, and a `tojson` that does not escape <, > and &.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


class GenerationTag(Extension):
    """The tag {% generation %} ... {% endgeneration %}. Training uses it to find the assistant's words.

    Here its content is rendered as if the tag were not there.
    """

    tags = {"generation"}  # noqa: RUF012 -- jinja2 declares a set

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def compile_template(source: str) -> jinja2.Template:
    """Returns the template, ready to render. Raises ValueError when `source` is not valid Jinja."""
    extensions = [loopcontrols, GenerationTag]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    environment.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
    environment.filters["tojson"] = _tojson
    try:
        return environment.from_string(source)
    except (jinja2.TemplateError, RecursionError) as error:
        raise ValueError(f"chat template of the checkpoint: {error}") from error


def render(template: jinja2.Template, messages: list[dict[str, Any]], **variables: object) -> str:
    """Returns the conversation as text. Raises ValueError when the template refuses the messages or fails on them."""
    try:
        return template.render(messages=messages, **variables)
    except Exception as error:  # the template is a program from the file, so it can raise anything
        raise ValueError(f"chat template: {type(error).__name__}: {error}") from error


def prepare_messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the messages in the form that chat templates expect.

    The `arguments` of a tool call become an object when they are JSON text, as in OpenAI's API: some templates render
    text in their place wrongly and raise no error. The content of a tool's message becomes JSON text when it is an
    object. Raises ValueError when arguments are not a JSON object.
    """
    return [_prepare(message, f"messages[{i}]") for i, message in enumerate(messages)]


def _prepare(message: dict[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise TypeError(f"{where}: expected a dict with role and content, got {type(message).__name__}")
    message = dict(message)
    if message.get("role") == "tool" and isinstance(message.get("content"), dict):
        message["content"] = _tojson(message["content"])
    if message.get("tool_calls"):
        calls = enumerate(message["tool_calls"])
        message["tool_calls"] = [_prepare_call(call, f"{where}.tool_calls[{i}]") for i, call in calls]
    return message


def _prepare_call(call: dict[str, Any], where: str) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    try:
        arguments = json.loads(function["arguments"])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}.function.arguments: expected a JSON object: {error}") from None
    if not isinstance(arguments, dict):
        raise ValueError(f"{where}.function.arguments: expected a JSON object, got {function['arguments']!r}")
    return call | {"function": function | {"arguments": arguments}}


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _strftime_now(layout: str) -> str:
    return datetime.now().strftime(layout)


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
