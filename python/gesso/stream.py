"""What `Model.stream`, `Model.astream`, `Model.agenerate` and `Model.generate_many` do with an engine."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gesso import _native
from gesso._native import CanvasEvent, StepEvent
from gesso.engine import EndEvent, Engine, Request, RequestEvent
from gesso.notebook.canvas import Canvas
from gesso.options import OptionsOfMany, Prompt
from gesso.result import Result
from gesso.tokenizer import Tokenizer

if TYPE_CHECKING:
    import asyncio

    from numpy.typing import NDArray

    from gesso.model import Model


@dataclass(frozen=True)
class StreamEvent:
    """What a stream has come to: after a denoising step, after a canvas, or at the end.

    All `delta` together are the result's text. A draft stands right behind them, and nothing of it is certain.
    """

    delta: str  # text that is final now and was in no event before
    draft: str  # the text of the canvas under way, as it would be committed now; "" where none is
    canvas: int  # index of the canvas
    step: int  # index of the step within the canvas; the first is 0
    max_denoising_steps: int  # of a canvas
    entropy: float  # the mean over the canvas' positions, in nats
    result: Result | None = None  # in the last event
    settling: Canvas | None = field(default=None, repr=False)  # the canvas under way, token by token

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from gesso.notebook.html import page, text_html

        shown = self.settling or self.result
        return page(text_html(self.delta)) if shown is None else shown._repr_html_()


class TextStream:
    """Makes the events of a stream of those of a request."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str], end_tokens: Sequence[int], max_new_tokens: int):
        self._tokenizer = tokenizer
        self._decoder = tokenizer.stream_decoder()
        self._stop = stop
        self._end_tokens = frozenset(end_tokens)
        self.max_new_tokens = max_new_tokens
        self._left = max_new_tokens
        self._length = 0  # of the text that events have had
        self._held = ""  # final text that a stop string may begin with
        self._last = StreamEvent("", "", 0, 0, 0, 0.0)

    def read(self, event: RequestEvent) -> StreamEvent:
        if isinstance(event, StepEvent):
            draft = self._held + self._draft(event.argmax)
            canvas = Canvas.from_step(event, self._tokenizer.native, self._end_tokens)
            self._last = StreamEvent(
                "", draft, event.canvas, event.step, event.max_denoising_steps, event.mean_entropy, settling=canvas
            )
            return self._last
        if isinstance(event, CanvasEvent):
            return self._event(self._final(event))
        text = event.result.text
        assert text is not None  # there is a tokenizer
        return self._event(text[self._length :], event.result)

    def _event(self, delta: str, result: Result | None = None) -> StreamEvent:
        last = self._last
        self._length += len(delta)
        return StreamEvent(delta, "", last.canvas, last.step, last.max_denoising_steps, last.entropy, result)

    def _draft(self, argmax: NDArray[Any]) -> str:
        return self._tokenizer.native.decode(self.draft_ids(argmax), True)

    def draft_ids(self, argmax: NDArray[Any]) -> list[int]:
        """The ids that a canvas would be committed as now."""
        ids: list[int] = argmax[: self._left].tolist()
        return ids[: next((i for i, token in enumerate(ids) if token in self._end_tokens), len(ids))]

    def _final(self, event: CanvasEvent) -> str:
        """The text of a canvas. That of the last one comes with the result, which knows where it ends."""
        if event.text_length < len(event.ids):
            return ""
        self._left -= event.text_length
        text = self._held + self._decoder.push(event.ids.tolist())
        longest = min(len(text), max(map(len, self._stop), default=1) - 1)
        held = next((n for n in range(longest, 0, -1) if self._may_stop(text[-n:])), 0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def num_certain(self, ids: Sequence[int]) -> int:
        """How many of these ids, the newest of the text, stand in front of what is held back."""
        count = len(ids)
        while (
            count > 0 and self._held and len(self._tokenizer.native.decode(list(ids[count:]), True)) < len(self._held)
        ):
            count -= 1
        return count

    def _may_stop(self, end: str) -> bool:
        return any(string.startswith(end) for string in self._stop)


def stream(submit: Callable[[], Request], texts: TextStream) -> Generator[StreamEvent, None, None]:
    """What `Model.stream` yields. `submit` hands over the request when the first event is asked for."""
    request = submit()
    try:
        for event in request:
            yield texts.read(event)
    finally:
        request.cancel()


class _News:
    """Wakes a coroutine when a request has something new. Nothing of it waits in a thread."""

    def __init__(self) -> None:
        import asyncio  # it takes long to import, and few programs need it

        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def __call__(self) -> None:
        """The engine calls this on its own thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody waits any more
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        await self._event.wait()
        self._event.clear()


Submit = Callable[[Callable[[], object]], Request]  # hands over a request with this on_news


async def _submitted(submit: Submit, news: _News) -> Request:
    """Hands over a request in another thread, since a long prompt takes time to become ids.

    If the task is cancelled meanwhile, so is the request as soon as it is there.
    """
    import asyncio

    future = asyncio.get_running_loop().run_in_executor(None, submit, news)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        future.add_done_callback(_cancel_submitted)
        raise


def _cancel_submitted(future: asyncio.Future[Request]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().cancel()


async def astream(submit: Submit, texts: TextStream) -> AsyncGenerator[StreamEvent, None]:
    """What `Model.astream` yields."""
    news = _News()
    request = await _submitted(submit, news)
    try:
        while True:
            await news.wait()
            is_done = request.done()  # before the events are taken, so that none is left behind
            while (event := request._native.next(0)) is not None:
                yield texts.read(event)
            if is_done:
                result = request.result()
                yield texts.read(EndEvent(result, result.finish_reason))
                return
    finally:
        request.cancel()


async def agenerate(submit: Submit) -> Result:
    """What `Model.agenerate` returns."""
    news = _News()
    request = await _submitted(submit, news)
    try:
        while not request.done():
            await news.wait()
        return request.result()
    finally:
        request.cancel()


def many(
    model: Model, prompts: Iterator[Prompt], seeds: Iterator[int], options: OptionsOfMany
) -> Iterator[Result | Exception]:
    """What `Model.generate_many` yields."""
    engine = Engine(model)
    yield from in_order(engine, _submit_all(engine, prompts, seeds, options))


def in_order(engine: Engine, submitted: Iterator[Request | Exception]) -> Generator[Result | Exception, None, None]:
    """Yields what becomes of each request, in their order, and closes the engine at the end.

    `submitted` hands a request over to the engine when it is asked for the next one. It is asked for as many as keep
    the engine's places filled.
    """
    failure: Exception | None = None  # of `submitted`
    try:
        rows: deque[Request | Exception] = deque()
        while True:
            # So many rows are under way, or wait for the rows in front of them. In a forked process this raises.
            most = 2 * engine.max_running
            # The next prompt may be long in coming, so a row that is done goes out before it is asked for.
            while len(rows) < most and not (rows and _is_done(rows[0])):
                try:
                    rows.append(next(submitted))
                except StopIteration:
                    break
                except Exception as error:
                    failure = error
            if rows:
                yield _outcome(rows.popleft())
            elif failure is None:
                return
            else:
                raise failure
    finally:
        del failure  # its traceback refers to this frame
        engine.close()


def _submit_all(
    engine: Engine, prompts: Iterator[Prompt], seeds: Iterator[int], options: OptionsOfMany
) -> Iterator[Request | Exception]:
    """Yields the request of each prompt, or what is wrong with the prompt."""
    for prompt in prompts:
        try:
            seed = next(seeds)
        except StopIteration:
            raise _native.ArgumentError("seed: expected one for each prompt, got fewer seeds than prompts") from None
        try:
            row: Request | Exception = engine.submit(prompt, seed=seed, **options)
        except Exception as error:
            row = error.with_traceback(None)  # its frames would keep what they refer to
        yield row


def _is_done(row: Request | Exception) -> bool:
    return isinstance(row, Exception) or row.done()


def _outcome(row: Request | Exception) -> Result | Exception:
    if isinstance(row, Exception):
        return row
    try:
        return row.result()
    except Exception as error:
        return error.with_traceback(None)
