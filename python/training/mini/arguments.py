"""Types of arguments that several scripts have: what is wrong ends them with one line, before they begin."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from pathlib import Path

from mini.tasks import TASKS


def positive(text: str) -> float:
    if 0 < (value := float(text)) < math.inf:
        return value
    raise ArgumentTypeError(f"expected a number above 0, got {text}")


def positive_int(text: str) -> int:
    if (value := int(text)) > 0:
        return value
    raise ArgumentTypeError(f"expected a whole number above 0, got {text}")


def num_dialogues(text: str) -> int:
    """How many dialogues to score: the bars need one of each task."""
    if (value := int(text)) >= len(TASKS):
        return value
    raise ArgumentTypeError(f"expected at least {len(TASKS)}, one of each task, got {text}")


def new_file(text: str) -> Path:
    """A file to write at the end of long work. Its folder must be there."""
    file = Path(text)
    if file.is_dir():
        raise ArgumentTypeError(f"expected the name of a file, got the folder {text}")
    if not file.parent.is_dir():
        raise ArgumentTypeError(f"{text}: there is no folder {file.parent}")
    return file
