"""The library's messages come to Python's logger "gesso"."""

import logging
import signal
import subprocess
import sys
import threading

import pytest

import gesso
from gesso.files.short_names import bundled_models
from python.tiny_model import tiny_model

PROMPT = [10, 11, 12]
ENDLESS = {"max_new_tokens": 1, "max_denoising_steps": 1 << 20, "confidence_threshold": 0.0}
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
    for text in (f"opened {path}: ", "loaded a model in ", "saved a session to "):
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


class Late(BaseException):
    """What a signal's handler may raise to end a call that takes too long."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, Late, TimeoutError])
def test_what_a_signal_raises_in_a_handler_ends_the_call(path, handler, error):
    def end(*_):
        raise error

    model = gesso.load(path, "cpu", 1)
    before = signal.signal(signal.SIGTERM, end)
    try:
        handler.does = lambda record: signal.raise_signal(signal.SIGTERM)
        LOGGER.setLevel(logging.DEBUG)
        with pytest.raises(error):
            model.generate(PROMPT, **ENDLESS)
        LOGGER.setLevel(logging.INFO)
        with pytest.raises(error):  # the last message of a call is behind its last poll
            gesso.load(path, "cpu", 1)
    finally:
        signal.signal(signal.SIGTERM, before)
    handler.does = lambda record: None
    assert gesso.load(path, "cpu", 1)


def test_what_a_handler_raises_on_an_engines_thread_is_ignored_and_told(path, handler, monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)

    def fail(record):
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("from a handler")

    model = gesso.load(path, "cpu", 1)
    expected = model.generate(PROMPT, max_new_tokens=1)[0].ids
    handler.does = fail
    LOGGER.setLevel(logging.DEBUG)
    with gesso.Engine(model) as engine:
        assert engine.submit(PROMPT, max_new_tokens=1).result().ids == expected
    assert {str(each.exc_value) for each in seen} == {"from a handler"}


def test_a_handler_may_call_gesso(path, handler):
    told = []

    def load(record):
        told.append(record.getMessage())
        gesso.load(path, "cpu", 1)

    handler.does = load
    LOGGER.setLevel(logging.DEBUG)
    gesso.load(path, "cpu", 1)
    assert 2 <= len(told) < 5


@pytest.mark.parametrize(
    "code",
    [
        "sys.modules['logging'] = None",
        "sys.modules['logging'] = types.ModuleType('logging')",
        "import logging; logging.getLogger = unittest.mock.MagicMock()",
        "import logging; logging.setLoggerClass(type('L', (logging.Logger,), {'isEnabledFor': lambda *_: 1}))",
        "import logging; logging.disable()",
    ],
)
def test_a_program_may_have_another_logging(code):
    code = f"""
import sys, types, unittest.mock
import gesso
{code}
model = gesso.load({str(bundled_models()["mini"])!r}, "cpu", 1)
model.generate([10, 11], max_new_tokens=1, max_denoising_steps=1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_python_may_end_while_a_thread_logs(path):
    code = f"""
import logging, sys, threading, time
import gesso
class Handler(logging.Handler):
    def emit(self, record):
        if threading.current_thread() is not threading.main_thread():
            raise ValueError
sys.unraisablehook = lambda *_: None
logging.getLogger("gesso").addHandler(Handler())
logging.getLogger("gesso").setLevel("DEBUG")
model = gesso.load({str(path)!r}, "cpu", 1)
engine = gesso.Engine(model)
for _ in range(3):
    engine.submit({PROMPT}, **{ENDLESS})
def generate():
    while True:
        try:
            model.generate({PROMPT}, max_new_tokens=1)
        except ValueError:
            pass
for _ in range(3):
    threading.Thread(daemon=True, target=generate).start()
time.sleep(0.2)
"""
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


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
