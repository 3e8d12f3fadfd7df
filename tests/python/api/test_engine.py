"""gesso.Engine: requests that run together come out as if each ran alone, and end each in its own way."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gesso
from python.expect import raises

C = 8  # the canvas length of the tiny model
FOREVER = {"max_new_tokens": 1, "max_denoising_steps": 2**30, "confidence_threshold": 0.0}  # no canvas settles
LONG = {"max_new_tokens": 4 * C, "end_token_ids": []}


@pytest.fixture
def engine(model):
    """It keeps nothing of prompts, so that results are equal to those of `generate` in `usage`, too."""
    with gesso.Engine(model, prefix_bytes=0) as engine:
        yield engine


@pytest.fixture
def driven(model):
    """An engine of one place, which the test drives. So its passes have an order."""
    with gesso.Engine(model, max_running=1, prefix_bytes=0, thread=False) as engine:
        yield engine


class Gate:
    """A callback that holds up the engine."""

    def __init__(self):
        self.is_reached, self.opens = threading.Event(), threading.Event()

    def __call__(self, event):
        self.is_reached.set()
        assert self.opens.wait(60)


def prompts_of(count, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(8, 300, rng.integers(1, 40)).tolist() for _ in range(count)]


def test_requests_come_out_as_alone(model, engine):
    """Neighbours of other lengths, priorities and keys run along, and some of them are cancelled."""
    prompts = prompts_of(24)
    options = [
        {"seed": i, "max_new_tokens": C * (1 + i % 3), "t_max": 0.5 + i / 20, "pinned": {i % C: 20 + i}}
        for i in range(24)
    ]
    alone = [model.generate(p, **o)[0] for p, o in zip(prompts, options, strict=True)]
    neighbours = [engine.submit(p, seed=99, **FOREVER) for p in prompts[:4]]
    requests = [
        engine.submit(p, priority=i % 2, key=str(i % 3), **o)
        for i, (p, o) in enumerate(zip(prompts, options, strict=True))
    ]
    neighbours[0].cancel()
    results = [request.result() for request in requests]
    for neighbour in neighbours:
        neighbour.cancel()
    assert results == alone
    assert [neighbour.result().finish_reason for neighbour in neighbours] == ["cancelled"] * 4
    assert requests[0].done() and requests[0].result() is requests[0].result()


def test_text(model, engine):
    assert engine.submit("the end", seed=3, **LONG).result() == model.generate("the end", seed=3, **LONG)[0]


def test_what_is_kept_of_prompts_changes_no_text(model):
    prompt = prompts_of(1)[0] * 3
    alone = model.generate(prompt, **LONG)[0]
    with gesso.Engine(model) as engine:
        results = [engine.submit(prompt, **LONG).result() for _ in range(2)]
        assert engine.counters().prefix_hits == 1
        assert results[1].usage.cached_tokens == engine.counters().prefix_hit_tokens >= C
        engine.forget_prefixes()
        assert engine.submit(prompt, **LONG).result() == alone
    for result in results:
        assert np.array_equal(result.canvases, alone.canvases)
        assert (result.text, result.denoising_steps) == (alone.text, alone.denoising_steps)


def test_a_cancelled_request_has_whole_canvases(model, engine):
    whole = model.generate([9], **LONG)[0]
    has_request = threading.Event()

    def on_canvas(event):
        if event.canvas == 1 and has_request.wait(60):
            request.cancel()

    request = engine.submit([9], on_canvas=on_canvas, **LONG)
    has_request.set()
    result = request.result()
    assert result.finish_reason == "cancelled" and len(result.canvases) == 2
    assert np.array_equal(result.canvases, whole.canvases[:2])
    request.cancel()  # does nothing any more
    assert request.result() == result


def test_a_request_that_has_not_begun_is_cancelled(driven):
    request = driven.submit([9])
    request.cancel()
    assert not request.done()
    assert request.result().canvases.shape == (0, C)


def test_a_callback_that_returns_false_ends_its_request_alone(model, engine):
    other = engine.submit([10], **LONG)
    result = engine.submit([9], on_step=lambda event: event.step < 2, **LONG).result()
    assert result == model.generate([9], on_step=lambda event: event.step < 2, **LONG)[0]
    assert other.result() == model.generate([10], **LONG)[0]


def test_a_deadline_before_the_first_canvas(engine):
    request = engine.submit([9], deadline=0.01, **FOREVER)
    with pytest.raises(gesso.DeadlineExceeded, match="before the first canvas"):
        request.result()
    assert issubclass(gesso.DeadlineExceeded, TimeoutError)
    assert engine.counters().exceeded == 1


def test_a_deadline_behind_the_first_canvas(model, engine):
    """The first canvas takes milliseconds, and the callback behind it lasts until the time is over."""
    end = time.monotonic() + 1.5
    request = engine.submit([9], deadline=1.5, on_canvas=lambda _: time.sleep(max(0, end - time.monotonic())), **LONG)
    result = request.result()
    assert result.finish_reason == "deadline"
    assert np.array_equal(result.canvases, model.generate([9], **LONG)[0].canvases[:1])


def test_the_order_of_priorities_and_keys(driven):
    """One place: the highest priority first, then the keys in turns, whatever each has submitted."""
    order = []

    def submit(name, **options):
        return driven.submit([9], on_canvas=lambda event: order.append(name), max_new_tokens=1, **options)

    for name in ("a1", "a2", "a3", "b1", "b2"):
        submit(name, key=name[0])
    submit("urgent", priority=1)
    submit("idle", priority=-1, key="\ud800")  # any text is a key
    driven.drain()
    assert order[0] == "urgent" and order[-1] == "idle"
    assert order[1:-1] == ["a1", "b1", "a2", "b2", "a3"]


def test_sessions(model, engine):
    session, same = model.session(), model.session()
    for each in (session, same):
        each.encode([9, 10])
    gate = Gate()
    request = engine.submit([11], session=session, on_canvas=gate, seed=5, **LONG)
    assert gate.is_reached.wait(60)
    with pytest.raises(gesso.BusyError):
        session.encode([12])
    with pytest.raises(gesso.BusyError):
        engine.submit([12], session=session)
    gate.opens.set()
    assert request.result() == same.generate([11], seed=5, **LONG)[0]
    assert session.ids == same.ids
    assert engine.submit(session=session, max_new_tokens=1).result() == same.generate(max_new_tokens=1)[0]
    assert engine.submit("the", session=session, max_new_tokens=1).result() == same.generate("the", max_new_tokens=1)[0]
    assert session.ids == same.ids


def test_a_session_is_as_before_when_its_request_fails(model, engine):
    session = model.session()
    session.encode([9, 10])
    with pytest.raises(ZeroDivisionError):
        engine.submit([11], session=session, on_canvas=lambda event: 1 / (event.canvas - 1), **LONG).result()
    assert session.ids == [[9, 10]]
    assert session.generate([11], **LONG).sequences == model.generate([9, 10, 11], **LONG).sequences


def test_sessions_that_do_not_fit(model, path, engine):
    with raises(gesso.ArgumentError, "session", "batch size 1, got 2"):
        engine.submit([9], session=model.session(2))
    with raises(gesso.ArgumentError, "session", "own model"):
        engine.submit([9], session=gesso.load(path).session())
    with raises(TypeError, "session: expected a gesso.Session, got 5"):
        engine.submit([9], session=5)


def test_a_driven_engine(model, driven):
    alone = [model.generate([9 + i], **LONG)[0] for i in range(3)]
    requests = [driven.submit([9 + i], **LONG) for i in range(3)]
    assert not requests[0].wait(0)
    while not requests[0].done():
        assert driven.run_once()
    assert not requests[2].done()
    assert requests[2].result() == alone[2]  # waiting drives it, too
    assert [request.result() for request in requests] == alone
    assert not driven.run_once()


def test_who_may_not_drive(model, engine, driven):
    with raises(ValueError, "run_once: the engine has a thread of its own"):
        engine.run_once()
    with raises(gesso.BusyError, "run_once", "callback"):
        driven.submit([9], on_step=lambda event: driven.run_once()).result()


@pytest.mark.parametrize("wait", ["result", "drain"])
def test_a_callback_may_not_wait(model, engine, wait):
    """It would wait for itself. It may submit, and ask what has ended."""
    more = []

    def on_step(event):
        more.append(engine.submit([10], max_new_tokens=1))
        assert not more[-1].done()
        more[-1].result() if wait == "result" else engine.drain()

    with raises(gesso.BusyError, "callback"):
        engine.submit([9], on_step=on_step).result()
    assert more[0].result() == model.generate([10], max_new_tokens=1)[0]


def test_a_full_queue(model):
    gate = Gate()
    with gesso.Engine(model, max_running=1, max_queued=2) as engine:
        assert engine.max_running == 1
        requests = [engine.submit([9], on_step=gate, max_new_tokens=1)]
        assert gate.is_reached.wait(60)
        requests += [engine.submit([10], max_new_tokens=1) for _ in range(2)]
        with raises(gesso.QueueFull, "2 more than places", "max_queued is 2"):
            engine.submit([10])
        counters = engine.counters()
        assert (counters.refused, counters.waiting + counters.running) == (1, 3)
        gate.opens.set()
        requests[-1].result()
        assert engine.submit([10], max_new_tokens=1).result() == requests[-1].result()
    assert issubclass(gesso.QueueFull, RuntimeError)


def test_a_request_that_is_too_large(model):
    with gesso.Engine(model, memory_bytes=250000, prefix_bytes=0) as engine:
        assert engine.submit([9], max_new_tokens=1).result().finish_reason == "length"
        with raises(MemoryError, "250000 bytes", "memory_bytes"):
            engine.submit([9], max_new_tokens=400)


def test_counters(engine):
    prompts = prompts_of(6)
    results = [request.result() for request in [engine.submit(p, **LONG) for p in prompts]]
    engine.drain()
    c = engine.counters()
    assert (c.submitted, c.full_length, c.begun, c.had_first_canvas) == (6, 6, 6, 6)
    assert (c.waiting, c.running, c.cache_bytes) == (0, 0, 0)
    assert repr(c).startswith(f"EngineCounters(submitted=6, waiting=0, running=0, passes={c.passes}, canvases=")
    assert c.canvases == sum(len(result.canvases) for result in results)
    assert c.denoising_steps == sum(sum(result.denoising_steps) for result in results)
    assert c.canvas_rows == c.denoising_steps * C
    assert c.prompt_rows == sum(map(len, prompts))
    assert 0 < c.passes <= c.denoising_steps and c.pass_seconds > 0
    with pytest.raises(AttributeError):
        c.passes = 0


def test_many_threads(model, engine):
    prompts = prompts_of(40)
    alone = [model.generate(p, seed=i, max_new_tokens=2 * C)[0] for i, p in enumerate(prompts)]

    def ask(i):
        return engine.submit(prompts[i], seed=i, max_new_tokens=2 * C, key=str(i % 4)).result()

    with ThreadPoolExecutor(8) as executor:
        assert list(executor.map(ask, range(40))) == alone


def test_asyncio(model, engine):
    async def ask(i):
        return await asyncio.to_thread(engine.submit([9 + i], seed=i, **LONG).result)

    async def ask_all():
        return await asyncio.gather(*map(ask, range(5)))

    assert asyncio.run(ask_all()) == [model.generate([9 + i], seed=i, **LONG)[0] for i in range(5)]


def test_a_result_that_is_not_there_in_time(engine):
    request = engine.submit([9], **FOREVER)
    assert not request.wait(0.01) and not request.wait(-1)
    with raises(TimeoutError, "not done after 0.01 seconds"):
        request.result(timeout=0.01)
    request.cancel()
    assert request.wait() and request.result(0).finish_reason == "cancelled"


def test_the_end_of_with(model):
    with gesso.Engine(model) as engine:
        request = engine.submit([9], **LONG)
    assert request.done() and request.result().finish_reason == "length"
    with pytest.raises(LookupError), gesso.Engine(model) as engine:
        request = engine.submit([9], **FOREVER)
        raise LookupError
    assert request.done() and request.result().finish_reason == "cancelled"


@pytest.mark.parametrize("thread", [True, False])
def test_close(model, thread):
    engine = gesso.Engine(model, thread=thread)
    requests = [engine.submit([9 + i], **FOREVER) for i in range(40)]
    engine.close()
    assert {request.result(0).finish_reason for request in requests} == {"cancelled"}
    engine.close()
    engine.drain()
    with raises(gesso.ArgumentError, "engine is closed"):
        engine.submit([9])


def test_close_in_a_callback(model):
    engine = gesso.Engine(model)
    assert engine.submit([9], on_canvas=lambda event: engine.close(), **LONG).result().finish_reason == "cancelled"


def test_a_request_keeps_its_engine(model):
    assert gesso.Engine(model).submit([9], **LONG).result().finish_reason == "length"


def test_engines_and_requests_are_not_copied(engine):
    request = engine.submit([9], max_new_tokens=1)
    for thing in (engine, request):
        for take in (copy.copy, copy.deepcopy, pickle.dumps):
            with raises(TypeError, "cannot be copied or pickled"):
                take(thing)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("deadline", "soon", TypeError),
        ("deadline", True, TypeError),
        ("deadline", 0, ValueError),
        ("deadline", float("nan"), ValueError),
        ("deadline", 10**400, ValueError),
        ("priority", 1.5, TypeError),
        ("priority", 2**31, ValueError),
        ("key", b"a", TypeError),
        ("events", 1, TypeError),
        ("on_step", 5, TypeError),
        ("seed", [1, 2], ValueError),
        ("max_new_tokens", 0, ValueError),
        ("max_new_token", 5, TypeError),
        ("prompt", None, TypeError),
        ("prompt", [10**6], ValueError),
        ("prompt", [], ValueError),
    ],
)
def test_wrong_arguments_of_submit(engine, name, value, error):
    with raises(error, "prompt" if name == "prompt" and value is None else "" if name == "prompt" else name):
        engine.submit(**({"prompt": [9]} | {name: value}))
    assert engine.counters().submitted == 0


def test_messages_name_the_argument(model, engine):
    for given in ({"prompt": [1.0]}, {"prompt": 3.5, "session": model.session()}):
        with raises(TypeError, "^prompt: expected a list of token ids"):
            engine.submit(**given)
    with raises(gesso.ArgumentError, "^deadline: expected a number that a float64 holds, got int 1000"):
        engine.submit([9], deadline=10**400)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("max_running", 0, ValueError),
        ("max_running", "2", TypeError),
        ("max_queued", -1, ValueError),
        ("max_queued", None, TypeError),
        ("memory_bytes", 0, ValueError),
        ("memory_bytes", 1e9, TypeError),
        ("prefix_bytes", -1, ValueError),
        ("prefix_bytes", 2**63, ValueError),
        ("thread", None, TypeError),
        ("model", "model.gguf", TypeError),
    ],
)
def test_wrong_arguments_of_an_engine(model, name, value, error):
    with raises(error, f"^{name}: expected"):
        gesso.Engine(**({"model": model} | {name: value}))


@pytest.mark.parametrize("timeout", ["1", float("nan"), [1]])
def test_wrong_timeouts(engine, timeout):
    request = engine.submit([9], max_new_tokens=1)
    with raises((TypeError, ValueError), "timeout"):
        request.wait(timeout)
