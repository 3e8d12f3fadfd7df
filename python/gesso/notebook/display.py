"""Where a cell of a notebook shows something that changes."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

REFRESH_SECONDS = 0.1  # at least, between two states: a notebook refuses more than 1 MB/s


def in_notebook() -> bool:
    """Whether this is a notebook's kernel. It does not import IPython: where that is not there, this is none."""
    return hasattr(_shell(), "kernel")


def _shell() -> Any:
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if get_ipython is None else get_ipython()


class Shown:
    """A place below a cell. What an `update` shows takes the place of what was there.

    A state that comes too soon waits for the next one, for `flush` or for the end of the cell.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        self._last = float("-inf")
        self._waiting: Callable[[], tuple[str, str]] | None = None

    def update(self, draw: Callable[[], tuple[str, str]]) -> None:
        """draw: makes the HTML, and the text that frontends without HTML show."""
        if self._waiting is None:
            _shell().events.register("post_run_cell", self._end_of_cell)
        self._waiting = draw
        if time.monotonic() - self._last >= REFRESH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Shows the state that waits, if there is one."""
        if self._waiting is None:
            return
        from gesso.measure.text import visible

        html, text = self._waiting()
        self._waiting, self._last = None, time.monotonic()
        _shell().events.unregister("post_run_cell", self._end_of_cell)
        text = text.encode("utf-8", "replace").decode()  # the name of a file may be none that UTF-8 can write
        bundle = {"text/html": html, "text/plain": visible(text)}
        if self._handle is None:
            display: Any = importlib.import_module("IPython.display").display  # its types are only where IPython is
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def _end_of_cell(self, _: object) -> None:
        self.flush()
