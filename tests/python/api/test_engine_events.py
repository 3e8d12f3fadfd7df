"""What a request of gesso.Engine reports while it runs: events that are iterated over, callbacks, and Ctrl-C."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

import gesso
from python.expect import raises

C = 8  # the canvas length of the tiny model
LONG = {"max_new_tokens": 4 * C, "end_token_ids": []}


@pytest.fixture
def engine(model):
    with gesso.Engine(model, prefix_bytes=0) as engine:
        yield engine


def fields(event):
    """An event as plain data."""
    names = [name for name in dir(event) if not name.startswith("_")]
    return type(event), [np.asarray(getattr(event, name)).tolist() for name in names]


def events_of_generate(model, prompt, **options):
    events = []
    model.generate(prompt, on_step=events.append, on_canvas=events.append, **options)
    return events


def test_callbacks_get_the_events_of_generate(model, engine):
    events = []
    engine.submit([9], on_step=events.append, on_canvas=events.append, seed=4, **LONG).result()
    assert [*map(fields, events)] == [*map(fields, events_of_generate(model, [9], seed=4, **LONG))]


def test_iterating(model):
    """An engine that is driven by the iteration itself makes no step that is not taken."""
    with gesso.Engine(model, thread=False, prefix_bytes=0) as engine:
        request = engine.submit([9], events=True, seed=4, **LONG)
        *events, end = request
    expected = events_of_generate(model, [9], seed=4, **LONG)
    # A step and the canvas that it settles come from one pass.
    assert [*map(fields, events)] == [*map(fields, expected)]
    assert isinstance(end, gesso.EndEvent)
    assert end.result is request.result() and end.finish_reason == end.result.finish_reason == "length"
    assert list(request) == [end]


def test_steps_that_are_not_taken(model, engine):
    """Only the newest is kept. Canvases are all there."""
    seen = []
    request = engine.submit([9], events=True, on_step=seen.append, **LONG)
    request.wait()
    *events, end = request
    steps = [event for event in events if isinstance(event, gesso.StepEvent)]
    assert events[1::2] == [event for event in events if isinstance(event, gesso.CanvasEvent)]
    assert [step.canvas for step in steps] == [event.canvas for event in events[1::2]] == [0, 1, 2, 3]
    newest = {event.canvas: event for event in seen}
    assert [*map(fields, steps)] == [*map(fields, newest.values())]
    assert np.array_equal([event.ids for event in events[1::2]], end.result.canvases)


def test_iterating_while_it_runs(model, engine):
    """Each canvas comes while the next one is under way: the last step waits until the first canvas was seen."""
    seen = threading.Event()
    request = engine.submit(
        [9], events=True, on_step=lambda event: event.canvas < 3 or seen.wait(60), on_canvas=lambda event: True, **LONG
    )
    canvases = []
    for event in request:
        if isinstance(event, gesso.CanvasEvent):
            canvases.append(event.ids)
            seen.set()
    assert np.array_equal(canvases, model.generate([9], **LONG)[0].canvases)


def test_iterating_needs_events(engine):
    with raises(gesso.ArgumentError, "events=True"):
        iter(engine.submit([9], max_new_tokens=1))


def test_what_ends_the_iteration(engine):
    """A failure is raised there; a cancelled request ends with an event."""

    def fail(event):
        raise LookupError("from the callback")

    events = []
    with raises(LookupError, "from the callback"):
        events.extend(engine.submit([9], events=True, on_canvas=fail, **LONG))
    assert not any(isinstance(event, gesso.EndEvent) for event in events)
    request = engine.submit([9], events=True, **LONG | {"max_new_tokens": 300})
    events = [(event, request.cancel()) for event in request]
    end = events[-1][0]
    assert (type(end), end.finish_reason) == (gesso.EndEvent, "cancelled")


def test_a_callback_raises(model, engine):
    """Whoever asks for the result gets the exception, with its traceback. Other requests go on."""
    error = LookupError("from the callback")

    def raise_it(event):
        raise error

    other = engine.submit([10], **LONG)
    request = engine.submit([9], on_step=raise_it, **LONG)
    for _ in range(3):
        with pytest.raises(LookupError) as caught:
            request.result()
        assert caught.value is error
        assert "raise_it" in [entry.name for entry in caught.traceback]
    assert request.done() and request.wait()
    assert other.result() == model.generate([10], **LONG)[0]
    assert engine.counters().failed == 1


def test_many_threads_get_the_exception(engine):
    request = engine.submit([9], on_canvas=lambda event: 1 / 0, **LONG)
    caught = []

    def ask():
        try:
            request.result()
        except ZeroDivisionError as error:
            caught.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caught) == 8 and len({*map(id, caught)}) == 1


async def asynchronous(event):
    raise AssertionError("never runs")


@pytest.mark.parametrize("name", ["on_step", "on_canvas"])
def test_asynchronous_callbacks_are_refused(engine, name):
    with raises(TypeError, f"^{name}: expected a plain function"):
        engine.submit([9], **{name: asynchronous})
    with raises(TypeError, f"^{name}: expected a plain answer"):
        engine.submit([9], **{name: lambda event: asynchronous(event)}, **LONG).result()


@pytest.mark.parametrize("fails", [False, True])
def test_a_callback_that_knows_its_request_is_no_leak(engine, fails):
    class Watched:
        pass

    watched = Watched()

    def submit(watched):
        def on_canvas(event):
            request.done()
            if fails:
                raise LookupError(watched)

        on_canvas.watched = watched
        request = engine.submit([9], on_canvas=on_canvas, max_new_tokens=1)
        request.wait()
        return weakref.ref(request)

    alive = submit(watched), weakref.ref(watched)
    del watched
    engine.drain()
    gc.collect()
    assert [reference() for reference in alive] == [None, None]


CTRL_C = """
import sys
import gesso

FOREVER = dict(max_new_tokens=1, max_denoising_steps=2**30, confidence_threshold=0.0)
model = gesso.load(sys.argv[1])
with gesso.Engine(model, thread="thread" in sys.argv[2]) as engine:
    on_step = (lambda event: None) if "callback" in sys.argv[2] else None
    request = engine.submit([9], events=True, on_step=on_step, **FOREVER)
    calls = {
        "result": request.result, "drain": engine.drain,
        "many": lambda: list(model.generate_many([[9]] * 3, **FOREVER)),
        "run_once": lambda: all(iter(engine.run_once, False)),
        "next": lambda: [event for event in request if False],
    }
    try:
        print("running", flush=True)
        calls[sys.argv[3]]()
    except KeyboardInterrupt:
        request.cancel()
        print("interrupted")
"""


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("thread", "result"),
        ("thread", "next"),
        ("thread", "many"),
        ("driven", "drain"),
        ("driven with callback", "result"),
        ("driven with callback", "run_once"),
    ],
)
def test_ctrl_c(path, kind, call):
    command = [sys.executable, "-c", CTRL_C, str(path), kind, call]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "running\n"
        time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (rest, errors, process.returncode) == ("interrupted\n", "", 0)
