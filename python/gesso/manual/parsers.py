"""What the parser of the command says about commands and their arguments, for all that writes about them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command: its name, its parser, one line about it, and its examples (a line for a shell -> what it does)."""

    name: str
    parser: argparse.ArgumentParser
    summary: str
    examples: Mapping[str, str]


def commands_of(parser: argparse.ArgumentParser) -> list[Command]:
    """Returns the commands of a parser, in the order of its help."""
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for entry in action._choices_actions:
                command = action.choices[entry.dest]
                found.append(Command(entry.dest, command, entry.help or "", getattr(command, "examples", {})))
    return found


def groups_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, list[argparse.Action]]]:
    """Yields the title, the description and the arguments of each group that has any, as --help shows them."""
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        if actions:
            yield group.title or "", group.description or "", actions


def help_of(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Returns the help of an argument, with the values that argparse puts into it."""
    return parser._get_formatter()._expand_help(action) if action.help else ""


def values_of(action: argparse.Action) -> list[str]:
    """Returns how the values of an argument are called: ["MODEL"], ["A", "B"], ["{md,json,csv}"]. Flags have none."""
    if action.nargs == 0:
        return []
    if isinstance(action.metavar, tuple):
        return list(action.metavar)
    if action.metavar is not None:
        name = action.metavar
    elif action.choices is not None:
        name = "{" + ",".join(map(str, action.choices)) + "}"
    else:
        name = action.dest.upper()
    if action.nargs in ("*", "+"):
        return [f"{name} ..."]
    return [name] * action.nargs if isinstance(action.nargs, int) else [name]
