"""A bar of progress: in a notebook below the cell, on a terminal on standard error. Elsewhere it shows nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gesso.notebook.display import Shown, in_notebook

MOMENT = 0.5  # work that takes fewer seconds shows no bar


class TerminalBar:
    """A bar on standard error, which must be a terminal. `rich` would need ipywidgets for one in a notebook."""

    def __init__(self, title: str):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        from gesso.measure.text import visible

        console = Console(file=sys.stderr, markup=False, emoji=False, highlight=False)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20))
        status = TextColumn("{task.fields[status]}", markup=False)
        self._bar = Progress(*columns, status, console=console)
        self._bar.start()
        self._task = self._bar.add_task(visible(title), total=None, status="")

    def update(self, done: int, total: int, status: str) -> None:
        self._bar.update(self._task, completed=done, total=total, status=status)

    def stop(self) -> None:
        self._bar.stop()


class NotebookBar:
    """A bar below a cell."""

    def __init__(self, title: str):
        self._title, self._shown = title, Shown()

    def update(self, done: int, total: int, status: str) -> None:
        from gesso.notebook.html import progress_html

        self._shown.update(lambda: (progress_html(self._title, done, total, status), f"{self._title}: {status}"))

    def stop(self) -> None:
        """The last state stays, as on a terminal."""
        self._shown.flush()


def make_bar(title: str) -> TerminalBar | NotebookBar | None:
    """Returns a bar where somebody can see one change, else None."""
    if in_notebook():
        return NotebookBar(title)
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return None
    return TerminalBar(title)


@contextmanager
def reporting(
    title: str, progress: bool | None, on_progress: Callable[[int, int], object] | None
) -> Iterator[Callable[[int, int], object] | None]:
    """Gives a callback that shows a bar and calls `on_progress`.

    progress: whether there is a bar; None: if there is no on_progress.
    """
    if progress is False or (progress is None and on_progress is not None):
        yield on_progress
        return
    start = time.monotonic()
    bar: TerminalBar | NotebookBar | None = None

    def report(done: int, total: int) -> object:
        nonlocal bar
        seconds = time.monotonic() - start
        if bar is None and seconds >= MOMENT:
            bar = make_bar(title)
        if bar is not None:
            from gesso.measure.text import status_line

            bar.update(done, total, status_line(done, total, seconds))
        return on_progress(done, total) if on_progress is not None else None

    try:
        yield report
    finally:
        if bar is not None:
            bar.stop()
