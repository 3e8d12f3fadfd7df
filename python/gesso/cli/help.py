"""`gesso help`: explains a command or a topic, with examples, and prints the manual page."""

from __future__ import annotations

import argparse
import difflib
import shutil

from gesso import ArgumentError
from gesso.cli.parts.command_parser import CommandParser

EXAMPLES = {
    "gesso help": "Lists commands and topics.",
    "gesso help run": "Explains a command.",
    "gesso help sampling": "Explains a topic.",
    "gesso help --man | man -l -": "Shows all of it as a manual page.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "help",
        help="explain a command or a topic",
        description="Explains a command or a topic, with examples. Without a name it lists all of them.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=show_help)
    parser.add_argument("topic", metavar="TOPIC", nargs="?", help="a command or a topic")
    parser.add_argument("--man", action="store_true", help="print the manual page gesso(1), for `man -l -`")


def show_help(options: argparse.Namespace) -> int:
    from gesso import __version__
    from gesso.cli.program import make_parser
    from gesso.manual.man_page import man_page
    from gesso.manual.parsers import commands_of
    from gesso.manual.terminal import overview, topic_text
    from gesso.manual.topics import make_topics

    if options.man and options.topic is not None:
        options.usage_error("--man: expected no TOPIC; the page has all of them")
    root, topics = make_parser(), {topic.name: topic for topic in make_topics()}
    commands = {command.name: command for command in commands_of(root)}
    width = shutil.get_terminal_size().columns - 2
    if options.man:
        print(man_page(root, list(topics.values()), __version__), end="")
    elif options.topic is None:
        rows = [(command.name, command.summary) for command in commands.values()]
        print(overview(root.description or "", rows, list(topics.values()), width))
    elif options.topic in topics and options.topic in commands:
        print(commands[options.topic].parser.format_help(), topic_text(topics[options.topic], width), sep="\n")
    elif options.topic in topics:
        print(topic_text(topics[options.topic], width))
    elif options.topic in commands:
        print(commands[options.topic].parser.format_help(), end="")
    else:
        raise ArgumentError(unknown(options.topic, [*commands, *topics]))
    return 0


def unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"{name}: no command or topic; `gesso help` lists them{meant}"
