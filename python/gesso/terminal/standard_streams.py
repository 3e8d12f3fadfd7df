"""Standard input, output and errors of the command, also where they are closed, full or broken.

A stream that the caller has closed (`gesso ... >&-`) counts as /dev/null. A reader that has ended (`gesso ... | head`)
ends the command with 141, as the signal SIGPIPE would. Output that cannot be written otherwise, for example to a full
disk, is an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_FAILED, EXIT_BROKEN_PIPE = 1, 141
STREAMS = (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))


@contextmanager
def standard_streams() -> Iterator[None]:
    """Opens the streams that are closed. Writes out what they hold at the end of the block.

    Raises SystemExit if that fails, or if the block raises an OSError, which then is one of writing to a stream.
    """
    open_closed_streams()
    try:
        try:
            yield
        except SystemExit:  # argparse has printed its help, or an error
            flush()
            raise
        flush()
    except OSError as error:
        drop_output()
        sys.exit(EXIT_BROKEN_PIPE if isinstance(error, BrokenPipeError) else EXIT_FAILED)


def open_closed_streams() -> None:
    """Opens /dev/null in place of closed streams.

    Python leaves None in their place, which has no `write`. And the next file that is opened would get the stream's
    number: what the system writes to standard error would go into that file.
    """
    for number, (name, flags) in enumerate(STREAMS):
        if getattr(sys, name) is not None:
            continue
        opened = os.open(os.devnull, flags)  # this is the lowest free number, so `number` unless that is taken already
        setattr(sys, name, os.fdopen(opened, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def drop_output() -> None:
    """Says what went wrong, if standard error can still be written, and lets Python's flush at exit succeed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                print(f"gesso: standard output: {error.strerror}", file=sys.stderr)
