"""Shows the progress of long work: a bar on a terminal; elsewhere a line after each tenth of the work."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from gesso.measure.text import status_line, visible
from gesso.notebook.progress import TerminalBar
from gesso.terminal.display import can_show_live

NUM_LINES, LINE_SECONDS = 10, 1.0  # without a terminal: at most 10 lines, and at least 1 s between two lines


class Progress:
    """Shows on standard error: `title`, how much of the total is done, the rate since the start and the time left.

    with Progress("out.gguf") as progress:
        write_gguf(..., on_progress=progress.update)

    unit: what is counted, such as "canvases"; None means bytes.
    begun: how much was done before the start. It does not count for the rate.
    """

    def __init__(self, title: str, unit: str | None = None, begun: int = 0):
        self._title, self._unit, self._begun = visible(title), unit, begun
        self._lines, self._last = 0, 0.0
        self._bar: TerminalBar | None = None

    def __enter__(self) -> Progress:
        self._start = self._last = time.monotonic()
        if can_show_live(sys.stderr):
            self._bar = TerminalBar(self._title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, done: int, total: int, name: str = "") -> None:
        """Shows that `done` of `total` is done. `name` says what is being worked on, for example a tensor."""
        now = time.monotonic()
        status = status_line(done, total, now - self._start, self._unit, self._begun)
        if self._bar:
            self._bar.update(done, total, f"{status}  {visible(name)}".rstrip())
        elif done * NUM_LINES // max(total, 1) > self._lines and now - self._last >= LINE_SECONDS:
            self._lines, self._last = done * NUM_LINES // total, now
            print(f"{self._title}: {status}", file=sys.stderr, flush=True)
