"""Callbacks are called and not awaited: those whose body would never run are refused by name."""

from __future__ import annotations

import asyncio
import functools
import warnings

import numpy as np
import pytest

import gesso
from gesso.files.gguf_writer import write_gguf
from gesso.files.tensor import Tensor
from gesso.measure import importance
from gesso.measure.compare import compare_logits, compare_tensors

OPTIONS = {"max_new_tokens": 16, "max_denoising_steps": 2}


async def asynchronous(*arguments):
    raise AssertionError("never runs")


async def asynchronous_generator(*arguments):
    yield


def generator(*arguments):
    yield


class Caller:
    async def __call__(self, *arguments):
        raise AssertionError("never runs")

    async def method(self, *arguments):
        raise AssertionError("never runs")


# Functions that can be seen to be of the wrong kind before they are called.
REFUSED = {
    "async def": asynchronous,
    "partial": functools.partial(asynchronous, 1),
    "partial of partial": functools.partial(functools.partial(asynchronous), 1),
    "method": Caller().method,
    "object": Caller(),
    "partial of object": functools.partial(Caller(), 1),
    "async generator": asynchronous_generator,
    "generator": generator,
}


class Awaitable:
    def __await__(self):
        yield


# Functions whose answers show it.
ANSWERS = {
    "coroutine": lambda *_: asynchronous(),
    "async generator": lambda *_: asynchronous_generator(),
    "generator": lambda *_: generator(),
    "awaitable": lambda *_: Awaitable(),
}

# Everything that takes a callback, by the callback's name.
TAKERS = {
    "on_step": lambda path, model, f: model.generate([5], on_step=f, **OPTIONS),
    "on_canvas": lambda path, model, f: model.session().generate([5], on_canvas=f, **OPTIONS),
    "on_progress": lambda path, model, f: gesso.load(path, on_progress=f),
    "on_progress of write_gguf": lambda path, model, f: write_gguf(
        path.with_name("out.gguf"), {}, [Tensor("a", "F32", (1,), np.zeros(4, np.uint8))], on_progress=f
    ),
    "on_progress of compare_tensors": lambda path, model, f: compare_tensors([], [], f),
    "on_progress of compare_logits": lambda path, model, f: compare_logits(model, model, [[5]], on_progress=f),
    "on_progress of importance": lambda path, model, f: importance.collect(model, [5] * 16, on_progress=f),
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("kind", REFUSED)
def test_a_function_that_would_not_run_is_refused_by_name(path, model, taker, kind):
    name = taker.split()[0]
    with pytest.raises(TypeError, match=f"^{name}: expected a plain function, got .*(async|generator)"):
        TAKERS[taker](path, model, REFUSED[kind])
    assert not path.with_name("out.gguf").exists()


@pytest.mark.parametrize("taker", ["on_step", "on_canvas", "on_progress of write_gguf"])
@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_would_not_run_is_refused_by_name(path, model, taker, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # also Python's own warning, that a coroutine was never awaited
        with pytest.raises(TypeError, match=f"^{taker.split()[0]}: expected a plain answer.*nothing would wait for"):
            TAKERS[taker](path, model, ANSWERS[kind])
    assert not path.with_name("out.gguf").exists()


@pytest.mark.parametrize("callback", ["on_step", "on_canvas"])
def test_a_refused_answer_leaves_the_session_as_before(model, callback):
    session = model.session()
    session.encode([5, 6])
    with pytest.raises(TypeError, match=callback):
        session.generate([12], **{callback: ANSWERS["coroutine"]}, **OPTIONS)
    assert session.ids == [[5, 6]]
    assert session.generate([12], **OPTIONS).sequences == model.generate([5, 6, 12], **OPTIONS).sequences


def test_a_plain_function_may_start_asynchronous_work(model):
    """What the refusal suggests: a plain function that hands the event over."""
    queue = asyncio.Queue()
    model.generate([5], on_step=queue.put_nowait, **OPTIONS)
    assert isinstance(queue.get_nowait(), gesso.StepEvent)
