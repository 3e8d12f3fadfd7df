"""Shows the progress of long work: a bar on a terminal; elsewhere a line after each tenth of the work."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

from gesso.measure.text import show_bytes, visible
from gesso.terminal.display import can_show_live, make_console

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
        self._bar: RichProgress | None = None
        if can_show_live(sys.stderr):
            columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20))
            status = TextColumn("{task.fields[status]}", markup=False)
            self._bar = RichProgress(*columns, status, console=make_console(sys.stderr))

    def __enter__(self) -> Progress:
        self._start = self._last = time.monotonic()
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=None, status="")
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
            self._bar.update(self._task, completed=done, total=total, status=f"{status}  {visible(name)}".rstrip())
        elif done * NUM_LINES // max(total, 1) > self._lines and now - self._last >= LINE_SECONDS:
            self._lines, self._last = done * NUM_LINES // total, now
            print(f"{self._title}: {status}", file=sys.stderr, flush=True)


def status_line(done: int, total: int, seconds: float, unit: str | None = None, begun: int = 0) -> str:
    """Returns a line such as "40 %  6.7 GB of 16.8 GB  52.0 MB/s  3:14 left"."""
    percent = f"{100 * done // max(total, 1)} %"
    rate = max(done - begun, 0) / seconds if seconds > 0 else 0.0
    left = f"  {show_time((total - done) / rate)} left" if rate > 0 else ""
    if unit is None:
        return f"{percent}  {show_bytes(done)} of {show_bytes(total)}  {show_bytes(int(rate))}/s{left}"
    per_second = f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"
    return f"{percent}  {done:,} of {total:,} {unit}  {per_second}/s{left}"


def show_time(seconds: float) -> str:
    """Returns a time such as 1:02:03, 2:03 or 0:03. Hours are shown only from one hour on."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
