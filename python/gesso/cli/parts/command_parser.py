"""Reads the arguments of one command: options and other arguments may come in any order. A command also has examples.

A new command gives them with its parser, once for all that shows them (`--help`, `gesso help`, the man page):

    EXAMPLES = {'gesso run mini "What is 47 + 35?"': "Writes a reply."}

    def add_parser(subparsers):
        parser = subparsers.add_parser("run", help="write a text", description="...", examples=EXAMPLES)

Each key is a line for a shell, in which pipes and redirections may stand; the value says what the line does, in a
sentence or two. A test parses all of them, and fails for a command that has none. Completion knows what an argument
takes by its metavar: `MODEL`, `FILE`, `OUT` and others stand in `gesso.manual.completion`.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from gesso._native import OptionInfo, OptionKind
from gesso.loading import check_num_threads
from gesso.manual.examples import example_lines

Value = TypeVar("Value")
BEHIND = "\0"  # in front of an argument that came behind `--`. No argument of a process can hold a NUL


class CommandParser(argparse.ArgumentParser):
    """A parser whose options may stand anywhere, as in `gesso run MODEL --seed 7 PROMPT`.

    Behind `--` nothing is an option, so a prompt may begin with a dash there. Options cannot be abbreviated: an
    abbreviation that works today would mean another option tomorrow. Every error names this command and exits with 2.
    """

    def __init__(self, *, examples: Mapping[str, str] | None = None, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)
        self.examples = dict(examples or {})
        self.set_defaults(usage_error=self.error)
        self._is_parsing = False

    def format_help(self) -> str:
        """The help of argparse, and the examples at its end."""
        if not self.examples:
            return super().format_help()
        width = shutil.get_terminal_size().columns - 2  # as wide as argparse's own
        return "\n".join([super().format_help(), "examples:", *example_lines(self.examples, width), ""])

    # argparse calls this for a subcommand. By itself, it would give MODEL and a missing PROMPT their values as soon as
    # it sees MODEL, and then call a prompt behind an option superfluous. parse_known_intermixed_args reads the options
    # first, through this function.
    def parse_known_args(  # type: ignore[override]  # the overloads of argparse differ in the type of the namespace alone
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        if self._is_parsing:
            return super().parse_known_args(args, namespace)
        words = list(sys.argv[1:] if args is None else args)
        split = words.index("--") if "--" in words else len(words)
        self._is_parsing = True
        try:
            # argparse forgets the `--` between its two passes, so a mark takes its place.
            marked = [BEHIND + word for word in words[split + 1 :]]
            found, unknown = self.parse_known_intermixed_args([*words[:split], *marked], namespace)
        finally:
            self._is_parsing = False
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown).replace(BEHIND, '')}")
        self._unmark(found)
        return found, unknown

    def _unmark(self, found: argparse.Namespace) -> None:
        """Takes the mark from the arguments behind `--`. An option must not have taken one of them as its value."""
        for action in self._actions:
            value = getattr(found, action.dest, None)
            if not isinstance(value, str) or not value.startswith(BEHIND):
                continue
            if action.option_strings:
                self.error(f"argument {'/'.join(action.option_strings)}: expected one argument")
            setattr(found, action.dest, value.removeprefix(BEHIND))


# What follows converts the text of an argument. argparse prints the text of an ArgumentTypeError behind the name of the
# option.


def integer(least: int, most: int | None = None) -> Callable[[str], int]:
    """An integer of at least, and at most, this."""

    def convert(text: str) -> int:
        value = _integer(text)
        if value is None or value < least or (most is not None and value > most):
            expected = f">= {least}" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"expected an integer {expected}, got {text!r}")
        return value

    return convert


def positive_number(text: str) -> float:
    value = _float(text)
    if value is None or not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number > 0, got {text!r}")
    return value


def number_not_below_zero(text: str) -> float:
    value = _float(text)
    if value is None or not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number >= 0, got {text!r}")
    return value


def list_of(convert: Callable[[str], Value]) -> Callable[[str], list[Value]]:
    """Values with commas between them."""
    return lambda text: [convert(word) for word in text.split(",")]


def seed(text: str) -> int:
    return integer(0, 2**64 - 1)(text)


def add_threads(group: argparse._ActionsContainer) -> None:
    """Adds --threads. Without it, `options.threads` is None."""
    group.add_argument(
        "--threads", type=thread_count, metavar="N", help="threads to run on; default: one per processor"
    )


def add_no_mmap(group: argparse._ActionsContainer) -> None:
    """Adds --no-mmap. Without it, `options.mmap` is True. Every command that reads a model has it."""
    group.add_argument(
        "--no-mmap",
        dest="mmap",
        action="store_false",
        help="read models into memory; without it their files are mapped, and nobody may change them meanwhile",
    )


def add_seed(group: argparse._ActionsContainer, help: str) -> None:
    """Adds --seed of a command that writes no text. Commands for texts have it from the table of generation options."""
    group.add_argument("--seed", type=seed, default=0, metavar="N", help=f"{help}; default: 0")


def add_json(group: argparse._ActionsContainer) -> None:
    """Adds --json: the command then prints one JSON object, as `json_text` writes it, and nothing else."""
    group.add_argument(
        "--json", action="store_true", help="print one JSON object; sizes are in bytes, and errors go to standard error"
    )


def add_device(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1, or auto (the default), which takes a GPU if there is one"
    )


def add_activations(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--activations",
        default="auto",
        help="how products with weights round their inputs: f32 or int8 on the CPU, bf16 or int8 on a GPU; auto (the"
        " default) is int8 on the CPU and the faster one on a GPU",
    )


def thread_count(text: str) -> int:
    value = _integer(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"expected an integer, got {text!r}")
    try:
        check_num_threads(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("num_threads: ")) from None
    return value


def option_value(option: OptionInfo) -> Callable[[str], float]:
    """A number in the range that the table of generation options has for this one, or one seed."""
    if option.kind == OptionKind.SEEDS:
        return seed

    def convert(text: str) -> float:
        value = _float(text) if option.kind == OptionKind.FLOAT else _integer(text)
        if value is None or not _is_in_range(option, value):
            raise argparse.ArgumentTypeError(f"expected {option.expected}, got {text!r}")
        return value

    return convert


def _is_in_range(option: OptionInfo, value: float) -> bool:
    """Whether the option may have this value. NaN is never in range, since a comparison with NaN is false."""
    is_enough = value > option.least if option.excludes_least else value >= option.least
    return is_enough and value <= option.most


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
