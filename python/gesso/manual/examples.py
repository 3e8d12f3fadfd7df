"""How examples look in a terminal: a line for a shell, and what it does, indented, below it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

LEAST_WIDTH = 40  # argparse wraps at no less, either


def example_lines(examples: Mapping[str, str], width: int) -> list[str]:
    """Returns lines of at most `width` characters. Only what is to be typed is longer where it has to be."""
    lines = []
    for command, meaning in examples.items():
        lines += [f"  {command}", *indented(meaning, width, 6)]
    return lines


def indented(text: str, width: int, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        text,
        max(LEAST_WIDTH, width),
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
