"""Ways to end a generation from outside: callbacks that return False or raise, and Ctrl-C. Also other threads
meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
FOREVER = {"max_new_tokens": 1, "max_denoising_steps": 2**30, "confidence_threshold": 0.0}  # no canvas settles


@pytest.fixture
def model(load):
    return load(GOLDEN / "mixed.gguf")


def test_on_step_returns_false(model):
    """The canvases that are not finished are committed as they are."""
    events = []

    def on_step(event):
        events.append(event)
        return not (event.sequence == 1 and event.canvas == 0 and event.step == 2)

    options = FOREVER | {"max_new_tokens": 3 * model.config.canvas_length, "end_token_ids": []}
    out = model.generate([[5], [6, 7]], on_step=on_step, **options)
    assert out.stopped
    assert out.denoising_steps == [[3], [3]]
    last = {event.sequence: event.argmax for event in events if event.step == 2}
    assert [canvases.tolist() for canvases in out.canvases] == [[last[0].tolist()], [last[1].tolist()]]
    assert out.sequences == [last[0].tolist(), last[1].tolist()]


def test_other_answers_go_on(model):
    answers = iter([None, True, 1, "yes", [0]])
    options = FOREVER | {"max_denoising_steps": 5}
    out = model.generate([5], on_step=lambda event: next(answers), **options)
    assert not out.stopped and out.denoising_steps == [[5]]


def test_on_canvas_returns_false(model):
    options = {"max_new_tokens": 3 * model.config.canvas_length, "max_denoising_steps": 2, "end_token_ids": []}
    out = model.generate([5], on_canvas=lambda event: event.canvas < 1, **options)
    assert out.stopped and len(out.canvases[0]) == 2


def test_events_may_be_kept(model):
    """The arrays of an event belong to the caller."""
    events = []
    model.generate([5], on_step=events.append, **FOREVER | {"max_denoising_steps": 4})
    copies = [(event.argmax.copy(), event.entropies.copy()) for event in events]
    model.generate([6], **FOREVER | {"max_denoising_steps": 4})
    for event, (argmax, entropies) in zip(events, copies, strict=True):
        assert np.array_equal(event.argmax, argmax) and np.array_equal(event.entropies, entropies)
    assert len({event.entropies.ctypes.data for event in events}) == len(events)


@pytest.mark.parametrize("callback", ["on_step", "on_canvas"])
def test_a_callback_raises(model, callback):
    """The caller gets the exception unchanged, and the session is as before the call."""

    def raise_it(event):
        raise LookupError("from the callback")

    session = model.session(2)
    session.encode([[5, 6], [7]])
    canvases = np.zeros((2, model.config.canvas_length), int)
    before = session.denoise(canvases)
    options = {"max_new_tokens": 2 * model.config.canvas_length, "max_denoising_steps": 2}
    with pytest.raises(LookupError, match="from the callback"):
        session.generate([[8], [9, 9]], **{callback: raise_it}, **options)
    assert session.ids == [[5, 6], [7]]
    assert np.array_equal(session.denoise(canvases), before)
    out = session.generate([[8], [9, 9]], **options)
    fresh = model.generate([[5, 6, 8], [7, 9, 9]], **options)
    assert out.sequences == fresh.sequences


CTRL_C = """
import sys, time
import numpy as np
import gesso

model = gesso.load(sys.argv[1], num_threads=int(sys.argv[2]), activations=sys.argv[3])
session = model.session()
session.encode([5, 6])
canvas = np.arange(model.config.canvas_length)
before = session.denoise(canvas)
try:
    print("running", flush=True)
    session.generate([7], max_new_tokens=1, max_denoising_steps=2**30, confidence_threshold=0.0)
except KeyboardInterrupt:
    assert session.ids == [[5, 6]]
    assert np.array_equal(session.denoise(canvas), before)
    out = session.generate([7], max_new_tokens=1, max_denoising_steps=3)
    assert out.sequences == model.generate([5, 6, 7], max_new_tokens=1, max_denoising_steps=3).sequences
    print("interrupted")
"""


@pytest.mark.parametrize("num_threads", [1, 2])
def test_ctrl_c(num_threads, activations):
    command = [sys.executable, "-c", CTRL_C, str(GOLDEN / "q8_0.gguf"), str(num_threads), activations]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "running\n"
        time.sleep(0.5)
        assert process.poll() is None
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert rest == "interrupted\n" and process.returncode == 0
    assert time.monotonic() - start < 5  # a step takes milliseconds; a busy machine takes the rest


def test_other_threads_run_meanwhile(model):
    """Without a callback the generation's thread does not hold the interpreter's lock for long."""
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.0002)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        start = time.monotonic()
        model.generate([5], **FOREVER | {"max_denoising_steps": 300})
        end = time.monotonic()
    finally:
        done.set()
        thread.join()
    inside = [t for t in ticks if start < t < end]
    assert len(inside) >= 10
    assert max(np.diff([start, *inside, end])) < 0.5 * (end - start)


def test_two_threads_share_a_model(model):
    """Sessions of one model run at the same time and do not affect each other."""
    options = {"max_new_tokens": 2 * model.config.canvas_length, "max_denoising_steps": 8}
    expected = [model.generate([5 + i], seed=i, **options).sequences for i in range(4)]
    results = [None] * 4

    def run(i):
        results[i] = model.generate([5 + i], seed=i, **options).sequences

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == expected
