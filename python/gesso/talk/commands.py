"""The commands of a conversation: what begins with a slash."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gesso.calls.tools import read_tools
from gesso.files.regular_file import as_path
from gesso.measure.text import columns, counted
from gesso.talk.settings import DEFAULT
from gesso.talk.tool_files import Given, load_tools
from gesso.talk.written import COMMANDS, KEYS, unquoted
from gesso.terminal.errors import describe_error

if TYPE_CHECKING:
    from gesso.talk.talk import Talk

ON, OFF = "on", "off"


def obey(talk: Talk, name: str, argument: str) -> None:
    """Does what a command says. ValueError, and nothing is changed, if it cannot."""
    if argument and not COMMANDS[name].argument:
        raise ValueError(f"/{name} takes nothing behind it, got {argument!r}")
    ACTIONS[name](talk, argument)


def argument_words(talk: Talk, name: str) -> Iterable[str]:
    """What the argument of a command may begin with, where these are words."""
    if name == "set":
        return talk.settings.names
    return {"think": (ON, OFF), "tools": (ON, OFF), "system": (OFF,)}.get(name, ())


def show_help(talk: Talk, argument: str) -> None:
    rows = [(f"/{name} {command.argument}", command.help) for name, command in COMMANDS.items()]
    talk.note("\n".join([KEYS, "", *columns(rows)]))


def system(talk: Talk, argument: str) -> None:
    if argument:
        talk.set_system(None if argument == OFF else argument)
        return
    text = talk.system()
    talk.note("There is no system message. /system TEXT sets one." if text is None else f"system: {text}")


def set_option(talk: Talk, argument: str) -> None:
    name, _, value = argument.partition(" ")
    if not name:
        talk.note("\n".join(talk.settings.rows()))
        return
    flag = talk.settings.find(name)
    if value.strip():
        talk.settings.set(flag, value.strip())
    is_set = "" if flag in talk.settings.values else f"  ({DEFAULT})"
    talk.note(f"{flag} {talk.settings.shown(flag)}{is_set}")


def think(talk: Talk, argument: str) -> None:
    if argument not in (ON, OFF, ""):
        raise ValueError(f"/think: expected on or off, got {argument!r}")
    if argument:
        talk.set_thinking(argument == ON)
    talk.note(f"think {ON if talk.thinks else OFF}")


def tools(talk: Talk, argument: str) -> None:
    if argument in (ON, OFF):
        talk.offer(talk.tools, argument == ON)
    elif argument:
        talk.offer(_load(argument))
    if not talk.tools:
        talk.note("There are no tools. /tools FILE loads those of a .py or .json file.")
        return
    found = read_tools(talk.tools).values()
    rows = [(tool.name, str(tool.declaration["function"].get("description", ""))) for tool in found]
    talk.note("\n".join([f"tools {ON if talk.offers else OFF}", *columns(rows)]))


def retry(talk: Talk, argument: str) -> None:
    talk.retry()


def undo(talk: Talk, argument: str) -> None:
    talk.note(f"Taken back: {talk.undo()}")


def clear(talk: Talk, argument: str) -> None:
    talk.clear()
    talk.note("The conversation begins anew.")


def save(talk: Talk, argument: str) -> None:
    talk.note(f"Saved to {talk.save(file_of(argument) if argument else None)}.")


def load(talk: Talk, argument: str) -> None:
    if not argument:
        raise ValueError("/load: expected the name of a file")
    talk.load(file_of(argument))
    messages = talk.chat.messages
    talk.note(f"Loaded a conversation of {counted(len(messages), 'message', 'messages')}.")
    for message in messages[-2:]:
        talk.note(f"{message['role']}: {message.get('content') or ''}")


def stats(talk: Talk, argument: str) -> None:
    talk.note("\n".join(talk.stats.lines(talk.model.config.max_position_embeddings)))


def file_of(argument: str) -> Path:
    """The file that a user names. No shell has replaced ~ here."""
    return as_path(os.path.expanduser(unquoted(argument)))


def _load(argument: str) -> list[Given]:
    try:
        return load_tools(file_of(argument))
    except OSError as error:
        raise ValueError(describe_error(error)) from None


ACTIONS: dict[str, Callable[[Talk, str], None]] = {
    "help": show_help,
    "system": system,
    "set": set_option,
    "think": think,
    "tools": tools,
    "retry": retry,
    "undo": undo,
    "clear": clear,
    "save": save,
    "load": load,
    "stats": stats,
}
