"""--log: the messages of the library on standard error."""

from __future__ import annotations

import argparse
import sys

LEVELS = ("debug", "info")


def add_log(group: argparse._ActionsContainer) -> None:
    """Adds --log, for `show_log`. Without it, `options.log` is None."""
    group.add_argument(
        "--log",
        choices=LEVELS,
        metavar="LEVEL",
        help="say on standard error what happens: info tells what is loaded, debug also each pass; debug is best with"
        " --plain, since a canvas that is shown live has the lines in it",
    )


def show_log(level: str | None) -> None:
    """Shows the messages of the logger "gesso" from this level on."""
    if level is None:
        return
    import logging  # it takes time to load

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("gesso: %(message)s"))
    logger = logging.getLogger("gesso")
    logger.addHandler(handler)
    logger.setLevel(level.upper())
