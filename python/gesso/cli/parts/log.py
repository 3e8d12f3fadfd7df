"""--log: the messages of the library on standard error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LEVELS = ("debug", "info")


def add_log(group: argparse._ActionsContainer) -> None:
    """Adds --log, for `log_shown`. Without it, `options.log` is None."""
    group.add_argument(
        "--log",
        choices=LEVELS,
        metavar="LEVEL",
        help="say on standard error what happens: info tells what is loaded, debug also each pass; debug is best with"
        " --plain, since a canvas that is shown live has the lines in it",
    )


@contextmanager
def log_shown(level: str | None) -> Iterator[None]:
    """Shows the messages of the logger "gesso" from this level on, while it lasts."""
    if level is None:
        yield
        return
    import logging  # it takes time to load

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("gesso: %(message)s"))
    logger = logging.getLogger("gesso")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
