"""model.stream, model.astream and model.agenerate: text as it comes, also from asyncio, and how it is cancelled."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import weakref

import pytest

import gesso
from python.expect import raises
from python.tiny_model import EOS, VOCABULARY, tiny_model

C = 8  # the canvas length of the tiny model
ID = {token: i for i, token in enumerate(VOCABULARY)}
ABC = [ID[letter] for letter in "abcdefghijklmnopqrstuvwx"]  # three canvases
LONG = {"max_new_tokens": 4 * C, "end_token_ids": []}
FOREVER = {"max_new_tokens": 1, "max_denoising_steps": 2**30, "confidence_threshold": 0.0}  # no canvas settles


def writes(ids):
    """Options that make a model write these ids, canvas by canvas."""
    canvases = [dict(enumerate(ids[i : i + C])) for i in range(0, len(ids), C)]
    return {"pinned": canvases, "max_new_tokens": len(ids), "max_denoising_steps": 2}


def running(model):
    """The requests of the model's own engine that have not ended."""
    counters = model._own_engine().counters()
    return counters.running + counters.waiting


def idle(model):
    """Whether all requests end. Where one would go on forever, this gives up after a minute."""
    for _ in range(6000):
        if running(model) == 0:
            return True
        time.sleep(0.01)
    return False


async def collect(events):
    return [event async for event in events]


@pytest.fixture(params=["stream", "astream"])
def events_of(request, model):
    """Returns all events of a stream, from a loop or from asyncio."""

    def events(prompt, **options):
        if request.param == "stream":
            return list(model.stream(prompt, **options))
        return asyncio.run(collect(model.astream(prompt, **options)))

    return events


# What the events hold


@pytest.mark.parametrize("options", [LONG, {"max_new_tokens": 13}, {"stop": ["e", "th"], "seed": 4}, {}])
def test_the_deltas_are_the_text_of_generate(model, events_of, options):
    *events, last = events_of("hi", **options)
    assert last.result == model.generate("hi", **options)[0]
    assert "".join(event.delta for event in [*events, last]) == last.result.text
    assert all(event.result is None for event in events)


def test_each_canvas_is_final_when_it_is_done(events_of):
    events = events_of([9], **writes(ABC))
    assert [event.delta for event in events if event.delta] == ["abcdefgh", "ijklmnop", "qrstuvwx"]
    drafts = [event for event in events if event.draft]
    assert [event.canvas for event in drafts][-1] == 2 and all(event.max_denoising_steps == 2 for event in drafts)
    assert {event.draft for event in drafts} <= {"abcdefgh", "ijklmnop", "qrstuvwx"}


def test_steps_and_entropies_are_those_of_generate(model):
    steps = []
    model.generate([9], on_step=steps.append, seed=3, **LONG)
    with gesso.Engine(model, thread=False) as engine:  # no step is left out
        model._engine, before = (os.getpid(), engine), model._engine
        try:
            events = [event for event in model.stream([9], seed=3, **LONG) if event.draft]
        finally:
            model._engine = before
    assert [(x.canvas, x.step, x.max_denoising_steps, x.entropy) for x in events] == [
        (x.canvas, x.step, x.max_denoising_steps, x.mean_entropy) for x in steps
    ]
    assert [x.draft for x in events] == [model.tokenizer.decode(x.argmax) for x in steps]


def test_a_draft_ends_where_the_text_would(model):
    ids = [*ABC[:3], EOS, *ABC[3:7]]
    drafts = {event.draft for event in model.stream([9], **writes(ids)) if event.draft}
    assert drafts == {"abc"}
    options = writes(ABC) | {"max_new_tokens": 3, "pinned": [dict(enumerate(ABC[:C]))]}
    assert {event.draft for event in model.stream([9], **options) if event.draft} == {"abc"}


def test_what_may_begin_a_stop_string_is_held_back(events_of):
    """ "gh" may begin it, and is no delta until the next canvas shows whether it does."""
    deltas = [event.delta for event in events_of([9], **writes(ABC), stop="ghx") if event.delta]
    assert deltas == ["abcdef", "ghijklmnop", "qrstuvw" + "x"]
    deltas = [event.delta for event in events_of([9], **writes(ABC), stop="ghi") if event.delta]
    assert deltas == ["abcdef"]


def test_characters_come_whole(events_of):
    ids = [*ABC[:6], *(ID[f"<0x{byte:02X}>"] for byte in "€".encode()), *ABC[6:13]]
    deltas = [event.delta for event in events_of([9], **writes(ids)) if event.delta]
    assert deltas == ["abcdef", "€ghijklm"]


def test_what_is_wrong_raises_at_once(model, tmp_path):
    for stream in (model.stream, model.astream):
        with raises(TypeError, "temperature"):
            stream("hi", temperature=1.0)
        for wrong in ({"max_new_tokens": 0}, {"timeout": 0}, {"timeout": -1.0}, {"stop": ""}, {"seed": [1, 2]}):
            with raises(gesso.ArgumentError, *wrong):
                stream("hi", **wrong)
    for prompt in ("", [10**6]):
        with raises(gesso.ArgumentError):
            list(model.stream(prompt))
        with raises(gesso.ArgumentError):
            asyncio.run(collect(model.astream(prompt)))
        with raises(gesso.ArgumentError):
            asyncio.run(model.agenerate(prompt))
    with raises(TypeError, "temperature"):
        asyncio.run(model.agenerate("hi", temperature=1.0))
    with raises(ValueError, "tokenizer"):
        gesso.load(tiny_model(tmp_path / "ids.gguf", tokenizer=False)).stream([9])


# Cancelling


def test_closing_cancels(model):
    events = model.stream([9], **FOREVER)
    assert next(events).draft and running(model) == 1
    events.close()
    assert idle(model) and list(events) == []


def test_leaving_the_loop_cancels(model):
    for _ in model.stream([9], **FOREVER):
        break
    assert idle(model)


def test_a_stream_that_nobody_reads_does_nothing(model):
    submitted = model._own_engine().counters().submitted
    model.stream([9], **FOREVER)
    model.astream([9], **FOREVER)
    assert model._own_engine().counters().submitted == submitted


def test_other_streams_go_on(model):
    first, second = model.stream([9], **FOREVER), model.stream([9], seed=2, **LONG)
    next(second)
    next(first)
    first.close()
    *_, last = second
    assert last.result == model.generate([9], seed=2, **LONG)[0]


def slow_prompt(path):
    """A model, and a prompt that takes it many passes to encode."""
    model = gesso.load(tiny_model(path, max_position_embeddings=2**17, hidden_size=64))
    return model, [9] * (2**17 - 256)


@pytest.mark.parametrize("how", ["timeout", "close", "task", "wait_for"])
def test_encoding_is_ended_too(tmp_path, how):
    """The prompt would take minutes. A thread closes the engine if nothing else ends the request."""
    model, prompt = slow_prompt(tmp_path / "long.gguf")

    async def cancel():
        task = asyncio.create_task(model.agenerate(prompt))
        while running(model) == 0 and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    if how == "timeout":
        with pytest.raises(gesso.DeadlineExceeded):
            list(model.stream(prompt, timeout=0.05))
    elif how == "close":
        request = model._submit(prompt, None, True, {})
        request.cancel()
        assert request.result().finish_reason == "cancelled" and request.result().canvases.size == 0
    elif how == "task":
        asyncio.run(cancel())
    else:
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(asyncio.wait_for(model.agenerate(prompt), 0.05))
    assert idle(model)


def test_a_deadline_behind_the_first_canvas_ends_the_text(model):
    options = {"max_new_tokens": 400, "end_token_ids": [], "max_denoising_steps": 40, "confidence_threshold": 0.0}
    try:
        *_, last = model.stream([9], timeout=0.3, **options)
    except gesso.DeadlineExceeded:
        return  # on a slow machine no canvas was done
    assert last.result.finish_reason in ("deadline", "length") and last.result.canvases.size > 0


# asyncio


def test_agenerate_is_generate(model):
    options = {"seed": 5, "max_new_tokens": 20, "end_token_ids": []}
    assert asyncio.run(model.agenerate("hi", **options)) == model.generate("hi", **options)[0]


def test_the_loop_goes_on_meanwhile(model):
    """The stream never ends by itself. Another task of the loop closes it."""

    async def main():
        ticks = 0
        events = model.astream([9], **FOREVER)
        task = asyncio.create_task(collect(events))
        while (running(model) == 0 or ticks < 20) and not task.done():
            ticks += 1
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert idle(model)


def test_many_at_a_time_need_no_threads(model):
    """More than the loop has threads for: none of them waits in one."""
    num = 80

    async def main():
        before = threading.active_count()
        most = 0

        async def one(seed):
            nonlocal most
            result = await model.agenerate([9], seed=seed, max_new_tokens=C)
            most = max(most, threading.active_count() - before)
            return result

        return await asyncio.gather(*map(one, range(num))), most

    results, most = asyncio.run(main())
    assert [result.seed for result in results] == list(range(num)) and most <= 40
    assert results[7] == model.generate([9], seed=7, max_new_tokens=C)[0]


def test_breaking_off_in_asyncio_cancels(model):
    async def main():
        events = model.astream([9], **FOREVER)
        async for _ in events:
            break
        await events.aclose()

    asyncio.run(main())
    assert idle(model)


def test_a_loop_that_ends_leaves_nothing(model):
    """The task is never awaited; asyncio.run cancels it."""

    async def main():
        task = asyncio.get_running_loop().create_task(collect(model.astream([9], **FOREVER)))
        while running(model) == 0 and not task.done():
            await asyncio.sleep(0.001)

    asyncio.run(main())
    assert idle(model)


def test_errors_come_out(model):
    async def main():
        with pytest.raises(gesso.DeadlineExceeded):
            await model.agenerate([9], timeout=0.05, **FOREVER)
        with pytest.raises(TimeoutError):
            await collect(model.astream([9], timeout=0.05, **FOREVER))

    asyncio.run(main())


# The engine of a model


def test_a_model_goes_when_nobody_refers_to_it(path):
    model = gesso.load(path)
    list(model.stream([9], max_new_tokens=1))
    gone = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()


def test_threads_share_one_engine(path):
    model = gesso.load(path)
    engines = []
    threads = [threading.Thread(target=lambda: engines.append(model._own_engine())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(engine) for engine in engines}) == 1


PROGRAM = """
import os, sys, gesso
model = gesso.load(sys.argv[1], num_threads=1)
text = "".join(event.delta for event in model.stream([9], max_new_tokens=4))
child = os.fork()
if child == 0:
    os._exit(0 if "".join(event.delta for event in model.stream([9], max_new_tokens=4)) == text else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
events = model.stream([9], max_new_tokens=1, max_denoising_steps=2**30, confidence_threshold=0.0)
next(events)
"""


def test_a_forked_process_and_the_end_of_python(path):
    """The child makes an engine of its own. The parent ends while a stream is under way."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
