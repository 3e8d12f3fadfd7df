"""The manual page gesso(1), in the macros of man(7), made of the parser and the topics."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence

from gesso.manual.parsers import Command, commands_of, groups_of, help_of, values_of
from gesso.manual.topics import Topic

SPECIAL = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}


def man_page(parser: argparse.ArgumentParser, topics: Sequence[Topic], version: str) -> str:
    """Returns the page. It has no date, so that it is the same whenever it is made."""
    commands = commands_of(parser)
    lines = [
        '.\\" `make man` writes this page. Do not edit it.',
        f'.TH GESSO 1 "" "gesso {roff(version)}" "User Commands"',
        ".nh",
        ".ad l",
        ".SH NAME",
        r"gesso \- run DiffusionGemma, a language model, on your own machine",
        ".SH SYNOPSIS",
        *(f"{synopsis(command)}\n.br" for command in commands),
        ".SH DESCRIPTION",
        text(parser.description or ""),
        ".SH COMMANDS",
        *(line for command in commands for line in command_lines(command)),
        ".SH TOPICS",
        *(line for topic in topics for line in topic_lines(topic)),
    ]
    return "\n".join(lines) + "\n"


def command_lines(command: Command) -> list[str]:
    lines = [f".SS gesso {roff(command.name)}", synopsis(command), ".PP", text(command.parser.description or "")]
    for title, description, actions in groups_of(command.parser):
        # The titles of argparse say nothing that one does not see.
        if title not in ("positional arguments", "options"):
            lines += [".PP", rf"\fI{roff(title.capitalize())}\fR", *([".PP", text(description)] if description else [])]
        for action in actions:
            if not isinstance(action, argparse._HelpAction):
                lines += entry(argument(action), help_of(command.parser, action))
    return lines + example_lines(command.examples)


def topic_lines(topic: Topic) -> list[str]:
    lines = [f".SS {roff(topic.name)}: {roff(topic.summary)}"]
    for paragraph in topic.paragraphs:
        lines += [".PP", text(paragraph)]
    for term, meaning in topic.terms:
        lines += entry(rf"\fB{roff(term)}\fR", meaning)
    return lines + example_lines(topic.examples)


def synopsis(command: Command) -> str:
    positionals = [action for action in command.parser._get_positional_actions() if action.help != argparse.SUPPRESS]
    words = [rf"\fBgesso {roff(command.name)}\fR", r"[\fIoptions\fR]"]
    for action in positionals:
        name = " ".join(rf"\fI{roff(value)}\fR" for value in values_of(action))
        words.append(f"[{name}]" if action.nargs in ("?", "*") else name)
    return " ".join(words)


def argument(action: argparse.Action) -> str:
    """Returns how an argument is written: "-o, --format {md,json,csv}", "MODEL"."""
    names = ", ".join(rf"\fB{roff(name)}\fR" for name in action.option_strings)
    values = " ".join(rf"\fI{roff(value)}\fR" for value in values_of(action))
    return " ".join(filter(None, [names, values]))


def entry(term: str, meaning: str) -> list[str]:
    return [".TP", term, text(meaning)]


def example_lines(examples: Mapping[str, str]) -> list[str]:
    lines: list[str] = [".PP", r"\fIExamples\fR"] if examples else []
    for command, meaning in examples.items():
        lines += [".TP", rf"\fB{roff(command)}\fR", text(meaning)]
    return lines


def text(words: str) -> str:
    """Returns a paragraph: what stands between `...` in bold, and no line that begins as a command of roff does."""
    parts = re.split(r"`([^`]+)`", " ".join(words.split()))
    return guarded("".join(rf"\fB{roff(part)}\fR" if i % 2 else roff(part) for i, part in enumerate(parts)))


def guarded(line: str) -> str:
    return rf"\&{line}" if line.startswith((".", "'")) else line


def roff(words: str) -> str:
    """Returns words as roff reads them: each character is itself, and those beyond ASCII are named."""
    return "".join(SPECIAL.get(c, c if c.isascii() else rf"\[u{ord(c):04X}]") for c in words)
