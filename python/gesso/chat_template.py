"""Renders the chat template of a checkpoint: a Jinja program from a file, run in Jinja's sandbox.

Templates are written for transformers, so they get what transformers gives them (utils/chat_template_utils.py): its
block trimming, the tags `break`, `continue` and `generation`, the functions `raise_exception` and `strftime_now`, and a
`tojson` that leaves <, > and & alone.
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
    """{% generation %} ... {% endgeneration %}: marks for training what the assistant said; here just its content."""

    tags = frozenset({"generation"})

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def compile_template(source: str) -> jinja2.Template:
    """The template, ready to render. ValueError when it is no Jinja."""
    extensions = [loopcontrols, GenerationTag]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    environment.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
    environment.filters["tojson"] = _tojson
    try:
        return environment.from_string(source)
    except (jinja2.TemplateError, RecursionError) as error:
        raise ValueError(f"chat template of the checkpoint: {error}") from error


def render(template: jinja2.Template, messages: list[dict[str, Any]], **variables: Any) -> str:
    """The conversation as text. ValueError when the template refuses the messages or fails on them."""
    try:
        return template.render(messages=messages, **variables)
    except Exception as error:  # a template is a program from the file: anything can come out of it
        raise ValueError(f"chat template: {type(error).__name__}: {error}") from error


def prepare_messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages as templates expect them: what OpenAI's API writes as JSON text or as an object becomes the other.

    `arguments` of tool calls become objects: of text, some templates make nonsense without a word. The content of a
    tool's message, if it is an object, becomes its JSON text. ValueError for arguments that are no JSON object.
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
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
