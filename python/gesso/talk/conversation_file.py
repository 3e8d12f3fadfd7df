"""Saved conversations: JSON with "messages", as OpenAI's API has them, and with the settings.

What others have written is checked before anything is made of it, so a file that is wrong changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gesso.chat_events import Message
from gesso.files.partial_file import check_output, partial_file
from gesso.files.regular_file import decode, open_regular
from gesso.templates.messages import prepare_chat

MOST_BYTES = 1 << 26  # a conversation as long as the longest context takes some MB
BEGIN = b'{\n "model": '  # of what `save` writes, also where nothing was said


@dataclass(frozen=True)
class Saved:
    messages: list[Message]
    think: bool = False
    settings: dict[str, object] = field(default_factory=dict)


def save(path: Path, model: str, messages: Sequence[Message], think: bool, settings: Mapping[str, object]) -> None:
    """Writes the file. It gets its name when it is complete. OSError if it cannot be written."""
    check_target(path)
    content = {"model": model, "messages": as_openai(messages), "settings": {"think": think, **settings}}
    data = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False).encode("utf-8")
    with partial_file(path) as file:
        file.write(data + b"\n")


def check_target(path: Path) -> None:
    """Raises OSError if no conversation can be written there, whatever the user says."""
    check_output(path)
    if path.exists() and not path.is_file():  # the new file would take the place of a device or a pipe
        raise FileExistsError(f"{path}: exists and is no regular file; it is not overwritten")


def is_ours(path: Path) -> bool:
    """Whether a file may be overwritten without a question: there is none, it is empty, or it is a conversation."""
    if not path.exists():
        return True
    try:
        if path.is_file() and path.stat().st_size == 0:
            return True
        return bool(read(path).messages) or path.read_bytes().startswith(BEGIN)
    except (OSError, ValueError):
        return False


def read(path: Path) -> Saved:
    """Reads a file that `save` has written, or one with the messages alone. ValueError and OSError name the file."""
    with open_regular(path) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{path}: expected a conversation of at most {MOST_BYTES >> 20} MB, it is larger")
    try:
        value = json.loads(decode(path, data))
    except RecursionError:
        raise ValueError(f"{path}: no conversation: it is nested too deep") from None
    except ValueError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise ValueError(f"{path}: no conversation: {reason}") from None
    if isinstance(value, list):
        value = {"messages": value}
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
        raise ValueError(f'{path}: no conversation: expected JSON with a list of "messages"')
    settings = value.get("settings", {})
    if not isinstance(settings, dict) or not isinstance(settings.get("think", False), bool):
        raise ValueError(f'{path}: "settings": expected an object, in which "think" is true or false')
    settings = dict(settings)
    think = settings.pop("think", False)
    try:
        messages = prepare_chat(value["messages"])
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None
    return Saved(messages, think, settings)


def as_openai(messages: Sequence[Message]) -> list[Message]:
    """Returns the messages as OpenAI's API takes them: calls have ids and JSON text, and the answers name the ids."""
    written: list[Message] = []
    open_calls: list[tuple[str, str]] = []  # the ids and names of calls that have no answer yet
    count = 0
    for message in messages:
        message = dict(message)
        calls: list[dict[str, Any]] = []
        for call in message.get("tool_calls") or []:
            function = dict(call["function"])
            if not isinstance(function.get("arguments"), str):
                function["arguments"] = json.dumps(function.get("arguments") or {}, ensure_ascii=False)
            calls.append({"id": f"call_{count}", **call, "function": function})
            open_calls.append((calls[-1]["id"], function["name"]))
            count += 1
        if calls:
            message["tool_calls"] = calls
        if message["role"] == "tool":
            answered = next((call for call in open_calls if call[1] == message.get("name", call[1])), None)
            if answered is not None:
                open_calls.remove(answered)
                message.setdefault("tool_call_id", answered[0])
            if isinstance(message.get("content"), dict):
                message["content"] = json.dumps(message["content"], ensure_ascii=False)
        written.append(message)
    return written
