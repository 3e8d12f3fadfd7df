"""The progress that is shown while a long command works."""

import io
import sys
import time

import pytest

from gesso.measure.text import show_time, status_line
from gesso.terminal import progress
from gesso.terminal.progress import Progress


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (0.6, "0:01"), (59.4, "0:59"), (61, "1:01"), (3600, "1:00:00"), (36061, "10:01:01")],
)
def test_times(seconds, text):
    assert show_time(seconds) == text


def test_a_status_has_share_amounts_rate_and_time_left():
    assert status_line(2_500_000, 10_000_000, 5) == "25 %  2.5 MB of 10.0 MB  500.0 kB/s  0:15 left"
    assert status_line(3, 12, 6, "canvases") == "25 %  3 of 12 canvases  0.5/s  0:18 left"
    assert status_line(1, 2, 25, "canvases") == "50 %  1 of 2 canvases  0.04/s  0:25 left"
    assert status_line(7, 10, 2, begun=5) == "70 %  7 B of 10 B  1 B/s  0:03 left"
    assert status_line(3, 10, 2, begun=5) == "30 %  3 B of 10 B  0 B/s"
    assert status_line(0, 10, 0) == "0 %  0 B of 10 B  0 B/s"
    assert status_line(0, 0, 0).startswith("0 %")


def test_a_pipe_gets_a_line_every_tenth(monkeypatch, capsys):
    seconds = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: 2.0 * next(seconds))
    with Progress("a.gguf") as shown:
        for done in range(0, 1001, 25):
            shown.update(done, 1000, "x")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == [str(i) for i in range(10, 101, 10)]
    assert lines[0] == "a.gguf: 10 %  100 B of 1.0 kB  10 B/s  1:30 left"


def test_what_is_done_in_a_moment_is_not_shown(monkeypatch, capsys):
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    with Progress("a.gguf") as shown:
        for done in range(1001):
            shown.update(done, 1000)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_that_is_put_away_on_errors(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "can_show_live", lambda stream: True)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(KeyboardInterrupt), Progress("[b]a.gguf\x1b") as shown:
        shown.update(300, 1000, "blk.0\x1b.attn_q")
        raise KeyboardInterrupt
    text = terminal.getvalue()
    assert "[b]a.gguf␛" in text
    assert "30 %  300 B of 1.0 kB" in text
    assert "blk.0␛.attn_q" in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")  # the cursor is visible again
