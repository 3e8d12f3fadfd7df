"""What a user writes: messages of one or more lines, and commands that begin with a slash."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

BLOCK = '"""'
BLOCK_BEGIN = re.compile(rf"\s*(?:/\w+[ \t]+)?{BLOCK}")
CONTINUED = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")  # an odd number of backslashes at the end
JOINT = re.compile(r"(?<!\\)((?:\\\\)*)\\\n")


@dataclass(frozen=True)
class Command:
    """A command: how its argument looks in the help, and what it does."""

    argument: str
    help: str


COMMANDS = {
    "help": Command("", "what you can write here"),
    "system": Command("[TEXT | off]", "show, set or drop what the model is told before the conversation"),
    "set": Command("[NAME [VALUE]]", "show the settings, or set one: /set steps 12; the value default undoes that"),
    "think": Command("on | off", "let the model think before it answers"),
    "tools": Command("[FILE | on | off]", "show the tools, load those of a .py or .json file, offer them or not"),
    "retry": Command("", "send the last message again, also one that was taken back"),
    "undo": Command("", "take the last message and its answer back"),
    "clear": Command("", "forget the conversation; the system message and the settings stay"),
    "save": Command("[FILE]", "save the conversation and the settings as JSON"),
    "load": Command("FILE", "go on with a saved conversation"),
    "stats": Command("", "how long the last answer took, and how full the context is"),
    "quit": Command("", "leave; so does Ctrl-D"),
}
OTHER_NAMES = {"exit": "quit", "bye": "quit", "?": "help"}

KEYS = (
    "A line is a message. It goes on in the next line behind a backslash at its end, after Alt-Enter, or between two"
    f' {BLOCK}. A message that begins with a slash is written with two: "//...". Ctrl-C stops an answer and keeps what'
    " is there of it."
)


def is_unfinished(text: str) -> bool:
    """Whether the message goes on in the next line."""
    begin = BLOCK_BEGIN.match(text)
    if begin:
        return BLOCK not in text[begin.end() :]
    return CONTINUED.search(text) is not None


def message_of(text: str) -> str:
    """Returns the message that was written, without the marks of its lines."""
    begin = BLOCK_BEGIN.match(text)
    if not begin:
        return JOINT.sub(r"\1\n", text)
    inside, _, behind = text[begin.end() :].partition(BLOCK)
    return begin[0].lstrip().removesuffix(BLOCK) + inside.strip("\n") + behind.rstrip()


def read_written(text: str) -> tuple[str | None, str]:
    """Returns the name of a command and its argument, or None and a message. ValueError if there is no such command."""
    message = message_of(text)
    if text.lstrip().startswith(BLOCK) or not message.startswith("/"):
        return None, message
    if message.startswith("//"):
        return None, message[1:]
    name, *rest = message[1:].split(maxsplit=1) or [""]
    name = OTHER_NAMES.get(name, name)
    if name in COMMANDS:
        return name, "".join(rest).strip()
    close = difflib.get_close_matches(name, COMMANDS, 1)
    meant = f"did you mean /{close[0]}?" if close else "/help lists them."
    raise ValueError(f"there is no command /{name}; {meant} A message that begins with a slash is written with two.")


def unquoted(argument: str) -> str:
    """The name of a file without the quotes around it."""
    is_quoted = len(argument) > 1 and argument[0] == argument[-1] and argument[0] in "\"'"
    return argument[1:-1] if is_quoted else argument
