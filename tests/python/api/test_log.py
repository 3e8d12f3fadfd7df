"""The library's messages come to Python's logger "gesso"."""

import logging
import signal
import subprocess
import sys

import pytest

import gesso
from gesso.files.short_names import bundled_models
from python.tiny_model import tiny_model

PROMPT = [10, 11, 12]
LOGGER = logging.getLogger("gesso")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("log") / "tiny.gguf")


@pytest.fixture(autouse=True)
def level_as_before():
    """The next call of gesso sees that nobody wants messages any more."""
    yield
    LOGGER.setLevel(logging.NOTSET)


@pytest.fixture
def handler():
    """Adds a handler that calls `handler.does` with each message, and takes it away again."""

    class Handler(logging.Handler):
        does = None

        def emit(self, record):
            self.does(record)

    handler = Handler()
    LOGGER.addHandler(handler)
    yield handler
    LOGGER.removeHandler(handler)


def test_what_happens_once_is_told_as_info(path, caplog):
    with caplog.at_level(logging.INFO, "gesso"):
        model = gesso.load(path, "cpu", 1)
        session = model.session()
        session.generate(PROMPT, max_new_tokens=1)
        session.save(path.with_suffix(".session"))
    told = [record.getMessage() for record in caplog.records]
    assert {record.levelno for record in caplog.records} == {logging.INFO}
    for text in (f'opened "{path}": ', "loaded a model in ", "saved a session of 1 sequence to "):
        assert sum(message.startswith(text) for message in told) == 1, told


def test_the_level_may_change_between_two_calls(path, caplog):
    model = gesso.load(path, "cpu", 1)

    def passes(level):
        caplog.clear()
        with caplog.at_level(level, "gesso"):
            model.generate(PROMPT, max_new_tokens=1, max_denoising_steps=3, confidence_threshold=0.0)
        return sum("a pass took" in record.getMessage() for record in caplog.records)

    assert [passes(level) for level in (logging.DEBUG, logging.INFO, logging.DEBUG)] == [3, 0, 3]


def test_an_engines_thread_tells_of_its_requests(path, caplog):
    model = gesso.load(path, "cpu", 1)
    with caplog.at_level(logging.DEBUG, "gesso"), gesso.Engine(model) as engine:
        engine.submit(PROMPT, max_new_tokens=1).result()
        engine.drain()
    told = " ".join(record.getMessage() for record in caplog.records)
    assert "made an engine" in told and "submitted a request: 3 tokens" in told
    assert "a request ended after " in told


def test_ctrl_c_in_a_handler_ends_the_call(path, handler):
    model = gesso.load(path, "cpu", 1)
    handler.does = lambda record: signal.raise_signal(signal.SIGINT)
    LOGGER.setLevel(logging.DEBUG)
    with pytest.raises(KeyboardInterrupt):
        model.generate(PROMPT, max_new_tokens=1, max_denoising_steps=1 << 20, confidence_threshold=0.0)


def test_a_handler_that_raises_disturbs_nothing(path, handler, monkeypatch):
    model = gesso.load(path, "cpu", 1)
    expected = model.generate(PROMPT, max_new_tokens=1).sequences
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)

    def fail(record):
        raise ValueError("from a handler")

    handler.does = fail
    LOGGER.setLevel(logging.DEBUG)
    assert model.generate(PROMPT, max_new_tokens=1).sequences == expected
    assert {str(each.exc_value) for each in seen} == {"from a handler"}


def test_a_program_without_logging_pays_nothing_and_prints_nothing():
    code = f"""
import sys
import gesso
model = gesso.load({str(bundled_models()["mini"])!r}, "cpu", 1)
assert "logging" not in sys.modules
import logging
model = gesso.load({str(bundled_models()["mini"])!r}, "cpu", 1)
logging.getLogger("gesso").warning("not shown, since nobody has asked for it")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
