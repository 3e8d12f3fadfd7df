"""`gesso completion`: prints the script that lets a shell complete what is typed behind `gesso`."""

from __future__ import annotations

import argparse

from gesso.cli.parts.command_parser import CommandParser
from gesso.manual.completion import SHELLS, completion_script

EXAMPLES = {
    "source <(gesso completion bash)": "Completes in this shell. In ~/.bashrc the line serves all new ones.",
    "gesso completion fish > ~/.config/fish/completions/gesso.fish": "Keeps the script where fish looks for it.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "completion",
        help="print the script for completion in a shell",
        description="Prints a script that lets a shell complete commands, options, their values, files and the names of"
        " bundled models. `gesso help completion` says where each shell looks for it.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=completion)
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"the shell: {', '.join(SHELLS)}")


def completion(options: argparse.Namespace) -> int:
    from gesso.cli.program import make_parser
    from gesso.manual.topics import make_topics

    print(completion_script(make_parser(), options.shell, [topic.name for topic in make_topics()]))
    return 0
