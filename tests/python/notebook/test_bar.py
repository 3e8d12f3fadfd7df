"""The bar of `gesso.load`: on a terminal after a moment, nowhere else, and `on_progress` is called in any case."""

import io
from types import SimpleNamespace

import pytest

import gesso
from gesso.notebook import progress
from gesso.notebook.progress import MOMENT, reporting
from python.api.test_import import modules_behind
from python.expect import raises
from python.tiny_model import tiny_model


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=shown))
    monkeypatch.setenv("TERM", "xterm")
    return shown


@pytest.fixture
def seconds(monkeypatch):
    """A clock that goes on by the number in this list at each look."""
    step, now = [MOMENT], [0.0]

    def clock():
        now[0] += step[0]
        return now[0]

    monkeypatch.setattr(progress.time, "monotonic", clock)
    return step


def load_something(wanted, on_progress=None):
    with reporting("loading a\x1b.gguf", wanted, on_progress) as report:
        if report is None:
            return None
        return [report(done, 1000) for done in (0, 400, 1000)]


@pytest.mark.parametrize("wanted", [None, True])
def test_a_terminal_shows_a_bar(terminal, seconds, wanted):
    load_something(wanted)
    assert "loading a\u241b.gguf" in terminal.getvalue() and "100 %  1.0 kB of 1.0 kB" in terminal.getvalue()


@pytest.mark.parametrize(("wanted", "shown"), [(None, False), (False, False), (True, True)])
def test_a_callback_takes_the_place_of_the_bar_unless_it_is_asked_for(terminal, seconds, wanted, shown):
    calls = []
    load_something(wanted, lambda done, total: calls.append((done, total)))
    assert calls == [(0, 1000), (400, 1000), (1000, 1000)]
    assert bool(terminal.getvalue()) == shown


def test_no_bar_is_wanted(terminal, seconds):
    assert load_something(False) is None
    assert terminal.getvalue() == ""


def test_a_callback_is_answered_for(terminal, seconds):
    assert load_something(True, lambda done, total: done) == [0, 400, 1000]


def test_what_takes_a_moment_shows_no_bar(terminal, seconds):
    seconds[0] = MOMENT / 10
    load_something(True)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("kind", ["pipe", "dumb", "none"])
def test_elsewhere_there_is_no_bar(monkeypatch, terminal, seconds, kind):
    shown = {"pipe": io.StringIO(), "dumb": terminal, "none": None}[kind]
    progress.sys.stderr = shown
    monkeypatch.setenv("TERM", "dumb" if kind == "dumb" else "xterm")
    load_something(True)
    assert shown is None or shown.getvalue() == ""


def test_the_bar_is_put_away_on_errors(terminal, seconds):
    with pytest.raises(KeyboardInterrupt), reporting("a", True, None) as report:
        report(1, 2)
        raise KeyboardInterrupt
    text = terminal.getvalue()
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") > -1  # the cursor is visible again


def test_loading_reports_what_it_copies(monkeypatch, tmp_path):
    """On the CPU nothing is copied, so nothing is reported; a GPU's copy goes through the same callback."""
    path, copied = tiny_model(tmp_path / "tiny.gguf"), []
    native = gesso._native.Model

    def model(checkpoint, device, threads, activations, on_progress, *rest):
        copied.append(on_progress)
        return native(checkpoint, device, threads, activations, on_progress, *rest)

    monkeypatch.setattr(gesso._native, "Model", model)
    gesso.load(path, "cpu")
    gesso.load(path, "cpu", progress=False)
    assert [x is None for x in copied] == [False, True]
    with raises(TypeError, "progress: expected True or False, got int 1"):
        gesso.load(path, "cpu", progress=1)


def test_ipython_and_rich_are_not_imported(tmp_path):
    path = tiny_model(tmp_path / "tiny.gguf")
    code = (
        f"import gesso; m = gesso.load({str(path)!r}, 'cpu'); m.generate([5], on_step=gesso.Steps(m)); m._repr_html_()"
    )
    assert not modules_behind(code) & {"IPython", "ipywidgets", "rich", "rich.progress"}
