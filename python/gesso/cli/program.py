"""The command `gesso`: it chooses the subcommand, and turns errors into one line and an exit status."""

from __future__ import annotations

import argparse
import io
import sys
import warnings
from collections.abc import Iterator, Sequence

from gesso import ArgumentError, CudaError, NumericsError, __version__, starting
from gesso.cli import (
    bench,
    chat,
    completion,
    convert,
    demo,
    devices,
    help,
    imatrix,
    inspect,
    models,
    pull,
    quantize,
    run,
    synth,
)
from gesso.cli.parts.command_parser import CommandParser
from gesso.cli.parts.log import log_shown
from gesso.measure.text import visible
from gesso.terminal.errors import describe_error
from gesso.terminal.standard_streams import standard_streams

# `gesso --help` lists the commands in this order.
COMMANDS = (
    run,
    chat,
    pull,
    models,
    inspect,
    convert,
    quantize,
    imatrix,
    synth,
    bench,
    devices,
    demo,
    help,
    completion,
)
EXIT_FAILED, EXIT_WRONG_USAGE = 1, 2  # argparse itself exits with 2, too


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit status."""
    with standard_streams():
        return run_command(arguments)


def run_command(arguments: Sequence[str] | None) -> int:
    # A locale without UTF-8 must not end a run, so characters that it lacks are written as escapes.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        options = make_parser().parse_args(arguments)
        options.arguments = arguments
        check_utf8(options)
        with warnings.catch_warnings(), log_shown(getattr(options, "log", None)):
            warnings.showwarning = show_warning
            status: int = options.command(options)
            return status
    except KeyboardInterrupt:
        return starting.EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader has ended, as `| head` does; see standard_streams
        raise
    except ArgumentError as error:  # an argument that cannot be right, or not for this model
        print(f"gesso: {describe_error(error)}", file=sys.stderr)
        return EXIT_WRONG_USAGE
    except (OSError, ValueError, MemoryError, CudaError, NumericsError, ModuleNotFoundError) as error:
        print(f"gesso: {describe_error(error)}", file=sys.stderr)
        return EXIT_FAILED


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gesso",
        allow_abbrev=False,
        description="Runs DiffusionGemma, a language model that starts from a block of random tokens and refines all"
        " of it at once.",
        epilog="`gesso help` also lists topics, such as models, sampling and devices.",
    )
    parser.add_argument("--version", action="version", version=f"gesso {__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=CommandParser)
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def check_utf8(options: argparse.Namespace) -> None:
    """Raises ArgumentError if an argument is not UTF-8. Python turns such bytes into lone surrogates."""
    for name, value in vars(options).items():
        if any("\ud800" <= character <= "\udfff" for text in strings(value) for character in text):
            raise ArgumentError(f"{name}: not UTF-8")


def strings(value: object) -> Iterator[str]:
    """Yields every string of an option's value, which may be a string, a list of strings or a list of pairs."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from strings(item)


def show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Prints what the library warns of, without the place in the source that Python shows with it."""
    print(f"gesso: warning: {visible(str(message))}", file=sys.stderr)
