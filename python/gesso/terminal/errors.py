"""Errors as one line for people."""

from __future__ import annotations

from gesso.measure.text import visible

MAX_LINES = 3  # of a longer error message only the first lines are printed


def describe_error(error: Exception) -> str:
    """Returns an error as one line that is safe to print. Of a long list of problems it has only the first ones."""
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        message = str(error)
    if isinstance(error, MemoryError):
        message = f"out of memory: {message}" if message else "out of memory"
    lines = [" ".join(line.split()) for line in visible(message).splitlines()]
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], "..."]
    return "; ".join(lines).replace(":; ", ": ")
