"""Checks the messages and tools of a caller, and brings them into the form that chat templates expect."""

from __future__ import annotations

import json
import math
from typing import Any

from gesso import _native

ROLES = ("system", "developer", "user", "assistant", "tool")  # of the messages of a chat
PART_TYPES = ("text", "image", "audio", "video")  # of the parts of a content, in the templates of this family


def prepare_chat(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As `prepare_messages`, for a model to read: raises what `check_texts` and `check_roles` raise, too."""
    check_texts(messages)
    prepared = prepare_messages(messages)
    check_roles(prepared)
    return prepared


def check_texts(messages: object) -> None:
    """Raises ArgumentError with the place of a part that is no text: a template may leave out an image, or write a
    token that the vocabulary lacks. What is no message at all is left to `prepare_messages`."""
    for i, message in enumerate(messages if isinstance(messages, (list, tuple)) else ()):
        content = message.get("content") if isinstance(message, dict) else None
        for j, part in enumerate(content if isinstance(content, (list, tuple)) else ()):
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind != "text":
                raise _native.ArgumentError(
                    f"messages[{i}].content[{j}]: gesso handles text only; expected the type 'text', got {kind!r}"
                )


def check_roles(messages: list[dict[str, Any]]) -> None:
    """Raises ArgumentError with the place of a role that chats do not have; a template may leave its message out."""
    for i, message in enumerate(messages):
        if message["role"] not in ROLES:
            raise _native.ArgumentError(f"messages[{i}].role: expected {_either(ROLES)}, got {message['role']!r}")


def prepare_messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the messages in the form that chat templates expect.

    The `arguments` of a tool call become an object when they are JSON text, as in OpenAI's API: some templates render
    text in their place wrongly and raise no error. Arguments that are empty, null or missing become an empty object.
    The content of a tool's message becomes JSON text when it is an object.

    Raises TypeError or ValueError with the place of what no template can render: a content that is neither text, a list
    of parts nor None, a part of another type than text, image, audio and video (templates leave it out without a word),
    arguments that are not a JSON object, and values that JSON lacks.
    """
    if not isinstance(messages, (list, tuple)):
        raise TypeError(f"messages: expected a list of dicts, got {_kind(messages)}")
    check_json(messages, "messages")
    return [_prepare(message, f"messages[{i}]") for i, message in enumerate(messages)]


def _prepare(message: dict[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise TypeError(f"{where}: expected a dict with role and content, got {_kind(message)}")
    message = dict(message)
    if not isinstance(message.get("role"), str):
        raise TypeError(f"{where}.role: expected a string, got {_kind(message.get('role'))}")
    if message["role"] == "tool" and isinstance(message.get("content"), dict):
        from gesso.templates.filters import tojson  # with Jinja, which a model without a chat does not need

        message["content"] = tojson(message["content"])
    _check_content(message.get("content"), f"{where}.content")
    if message.get("tool_calls"):
        if not isinstance(message["tool_calls"], (list, tuple)):
            raise TypeError(f"{where}.tool_calls: expected a list of dicts, got {_kind(message['tool_calls'])}")
        calls = enumerate(message["tool_calls"])
        message["tool_calls"] = [_prepare_call(call, f"{where}.tool_calls[{i}]") for i, call in calls]
    return message


def _prepare_call(call: dict[str, Any], where: str) -> dict[str, Any]:
    function = _function(call, where)
    if not isinstance(function.get("arguments"), str | None):
        return call
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}.function.arguments: expected a JSON object: {error}") from None
    check_json(arguments, f"{where}.function.arguments")
    if arguments is not None and not isinstance(arguments, dict):
        raise ValueError(f"{where}.function.arguments: expected a JSON object, got {function['arguments']!r}")
    return call | {"function": function | {"arguments": arguments or {}}}


def _check_content(content: object, where: str) -> None:
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, (list, tuple)):
        raise TypeError(f"{where}: expected text, a list of parts or None, got {_kind(content)}")
    for i, part in enumerate(content):
        if not isinstance(part, dict):
            raise TypeError(f"{where}[{i}]: expected a dict with a type, got {_kind(part)}")
        kind = part.get("type")
        if kind not in PART_TYPES:
            got = repr(kind) if "type" in part else "no type"
            raise ValueError(f"{where}[{i}]: expected a type of {_either(PART_TYPES)}, got {got}")
        if kind == "text" and not isinstance(part.get("text"), str):
            raise TypeError(f"{where}[{i}].text: expected a string, got {_kind(part.get('text'))}")


def check_tools(tools: object) -> None:
    """Raises TypeError or ValueError with the place of a tool that is no declaration in the form of OpenAI's API."""
    if tools is None:
        return
    if not isinstance(tools, (list, tuple)):
        raise TypeError(f"tools: expected a list of dicts or None, got {_kind(tools)}")
    check_json(tools, "tools")
    for i, tool in enumerate(tools):
        _function(tool, f"tools[{i}]")


def _function(value: object, where: str) -> dict[str, Any]:
    """Returns the function that a tool or a tool call names."""
    if not isinstance(value, dict) or not isinstance(value.get("function"), dict):
        got = f"the keys {', '.join(map(repr, value)) or '(none)'}" if isinstance(value, dict) else _kind(value)
        error = ValueError if isinstance(value, dict) else TypeError
        raise error(f'{where}: expected {{"type": "function", "function": {{"name": ...}}}}, got {got}')
    function: dict[str, Any] = value["function"]
    if not isinstance(function.get("name"), str):
        raise TypeError(f"{where}.function.name: expected a string, got {_kind(function.get('name'))}")
    return function


def check_json(value: object, where: str) -> None:
    """Raises TypeError or ValueError with the place of a value that JSON lacks: a NaN, or half a character."""
    try:
        _check_json(value, where)
    except RecursionError:
        raise ValueError(f"{where}: a value holds itself, or is nested too deep") from None


def _check_json(value: object, where: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where}: expected keys that are strings, as in JSON, got {_kind(key)} {key!r}")
            _check_unicode(key, f"a key of {where}")
            _check_json(item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            _check_json(item, f"{where}[{i}]")
    elif isinstance(value, str):
        _check_unicode(value, where)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where}: expected a value that JSON has, got {float(value)}")
    elif value is not None and not isinstance(value, (int, float)):
        raise TypeError(f"{where}: expected a value that JSON has, got {_kind(value)}")


def _check_unicode(text: str, where: str) -> None:
    """Refuses half a character, which Python puts in place of bytes that are not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: not UTF-8 at character {error.start}") from None


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _kind(value: object) -> str:
    """The name of a value's type, with its module where that is not Python's own: numpy.int64, for example."""
    if value is None:
        return "None"
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
