"""Engine: serves many requests at once. Every pass over the weights computes whatever rows are ready."""

from __future__ import annotations

import atexit
import contextlib
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gesso import _native
from gesso._native import CanvasEvent, EngineCounters, StepEvent
from gesso.arguments import as_bool, as_bytes, as_integer, as_seconds, make_options
from gesso.files.callback import plain_callback
from gesso.handle import Handle
from gesso.options import GenerationOptions, Prompt
from gesso.result import FinishReason, Result

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from gesso.model import Model
    from gesso.session import OnCanvas, OnStep, Session


@dataclass(frozen=True)
class EndEvent:
    """The last event of a request."""

    result: Result
    finish_reason: FinishReason


RequestEvent = StepEvent | CanvasEvent | EndEvent


class Request(Handle):
    """A request that was submitted, made by `Engine.submit`.

    Iterating over it gives its events as they come, if it was submitted with events=True: a `StepEvent` after each
    step, a `CanvasEvent` after each canvas, and at last an `EndEvent`. Of steps that are not taken fast enough only the
    newest is kept, canvases are all kept, and `sequence` is 0. Each event is given once, so a second iteration gives
    the `EndEvent` alone. A request that ended with an exception raises it in place of the `EndEvent`.

    Threads: any number of threads may use a request. In asyncio, `await asyncio.to_thread(request.result)` waits for
    it. A wait inside a callback of the engine raises `gesso.BusyError`, since it would wait for itself.
    """

    _instead = "submit the prompt again"

    def __init__(self, engine: Engine, native: _native.Request, has_events: bool):
        self._engine = engine  # so that it is not closed before the request has ended
        self._native = native
        self._has_events = has_events
        self._result: Result | None = None

    def cancel(self) -> None:
        """Ends the request. Its result then has the canvases that are done by now; one under way is dropped.

        It takes effect before the next pass, also for a request that still waits for a place. It takes effect at once
        when no other request takes part in the pass under way.
        """
        self._native.cancel()

    def done(self) -> bool:
        """Whether the request has ended."""
        return self._native.is_done()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end, for at most `timeout` seconds. Returns whether it is there. Ctrl-C ends only the wait."""
        return self._native.wait(as_seconds("timeout", timeout))

    def result(self, timeout: float | None = None) -> Result:
        """Waits as `wait` does, and returns the result. TimeoutError if it is not there in time.

        Raises what ended the request, for example `gesso.DeadlineExceeded`, or what a callback raised.
        `DeadlineExceeded` is a TimeoutError, too: a loop that catches the one of `timeout` has to ask `done()`.
        """
        if self._result is None:
            if not self.wait(timeout):
                raise TimeoutError(f"the request is not done after {timeout} seconds")
            self._result = self._engine.model._result(self._native.result())
        return self._result

    def __iter__(self) -> Iterator[RequestEvent]:
        if not self._has_events:
            raise _native.ArgumentError("this request keeps no events; submit it with events=True")
        return self._events()

    def _events(self) -> Iterator[RequestEvent]:
        while (event := self._native.next()) is not None:
            yield event
        result = self.result()
        yield EndEvent(result, result.finish_reason)


class Engine(Handle):
    """Serves many requests at once. They join and leave between any two passes over the weights.

    A text depends only on its prompt, its seed and its options, so it is bit for bit the one of `Model.generate`.

    max_running: how many requests have a place in the passes at a time. None takes as many as their canvases fit a
    pass: 8 canvases of 256 tokens on a GPU, one on the CPU. A larger number counts as that.
    max_queued: how many requests may wait for a place.
    memory_bytes: what the caches of all requests that have begun may take. A request counts with the most that its
    cache can come to, so it never runs out of memory later. None takes half of the memory that is free now.
    prefix_bytes: what is kept of prompts for later ones that begin alike. None: a quarter of memory_bytes. 0: nothing.
    thread: whether the engine runs its passes on a thread of its own. Otherwise `run_once` runs them, and so does
    every call that waits.

    `with gesso.Engine(model) as engine:` waits for all requests at its end. If it is left by an exception, it cancels
    them. An engine that nothing refers to any more, not even one of its requests, is closed; so are all engines when
    Python ends. These two give a callback that is running one second, and then go on without it.

    Threads: any number of threads may use an engine. Its callbacks may submit and cancel, and may not wait.
    """

    _instead = "make another engine of the same model"

    def __init__(
        self,
        model: Model,
        *,
        max_running: int | None = None,
        max_queued: int = 1024,
        memory_bytes: int | None = None,
        prefix_bytes: int | None = None,
        thread: bool = True,
    ):
        if not isinstance(getattr(model, "native", None), _native.Model):
            raise TypeError(f"model: expected a gesso.Model, got {model!r}")
        self.model = model
        self._native = _native.Engine(
            model.native,
            0 if max_running is None else as_integer("max_running", max_running, 1),
            as_integer("max_queued", max_queued, 0),
            0 if memory_bytes is None else as_integer("memory_bytes", memory_bytes, 1),
            -1 if prefix_bytes is None else as_integer("prefix_bytes", prefix_bytes, 0),
            as_bool("thread", thread),
        )
        _engines.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.drain()
        finally:
            self.close()

    @property
    def max_running(self) -> int:
        """How many requests have a place in the passes at a time."""
        return self._native.max_running

    def submit(
        self,
        prompt: Prompt | None = None,
        *,
        session: Session | None = None,
        deadline: float | None = None,
        priority: int = 0,
        key: str = "",
        on_step: OnStep | None = None,
        on_canvas: OnCanvas | None = None,
        events: bool = False,
        **options: Unpack[GenerationOptions],
    ) -> Request:
        """Hands over a prompt, text or token ids as in `Model.generate`, and returns at once.

        session: a session of batch size 1 of the same model, which is continued as `Session.generate` does it. The
        prompt is appended to it, and may be None. Until the request has ended, other uses of the session raise
        `gesso.BusyError`. If the request ends with an exception, the session is as before.
        deadline: in seconds from now. If it passes before the first canvas is done, the request ends with
        `gesso.DeadlineExceeded`. Later the result has the canvases that are done, and "deadline" as its reason. It
        takes effect when `Request.cancel` would.
        priority: a request with a higher one gets a place first, from -2^31 to 2^31 - 1.
        key: whose request it is. The keys that wait share the passes equally, however many requests each has.
        on_step(event), on_canvas(event): as in `Model.generate`, but they run on the thread that runs the passes. If
        one of them returns False, this request ends, and its canvas is committed as it stands. What it raises comes
        out of `Request.result`.
        events: whether the request is iterated over.
        options: those of `Model.generate`, for one prompt.

        Raises `gesso.QueueFull`, a RuntimeError, when there are max_queued more requests than places; MemoryError when
        the request alone could need more than memory_bytes; ValueError and TypeError as `Model.generate` does, and
        ValueError when the engine is closed.
        """
        callbacks = plain_callback("on_step", on_step), plain_callback("on_canvas", on_canvas)
        return self._submit(prompt, session, deadline, priority, key, callbacks, events, options)

    def _submit(
        self,
        prompt: Prompt | None,
        session: Session | None,
        deadline: float | None,
        priority: int,
        key: str,
        callbacks: tuple[OnStep | None, OnCanvas | None],
        events: bool,
        options: GenerationOptions,
        on_news: Callable[[], object] | None = None,
    ) -> Request:
        """As `submit`. on_news(): called on the thread that runs the passes when there is an event, and at the end."""
        values = make_options(options, 1, True, "submit")
        native_session = getattr(session, "_native", None)
        if session is None:
            if prompt is None:
                raise TypeError("prompt: expected text or token ids, got None; only a session can do without")
            ids = self.model._prompt_ids(prompt, "prompt")
        elif not isinstance(native_session, _native.Session):
            raise TypeError(f"session: expected a gesso.Session, got {session!r}")
        else:
            ids = [] if prompt is None else session._text_ids(prompt, "prompt")
        native = self._native.submit(
            ids,
            native_session,
            _native.GenerationOptions(values, *callbacks),
            as_seconds("deadline", deadline),
            as_integer("priority", priority, -(2**31), 2**31 - 1),
            as_bytes("key", key),
            as_bool("events", events),
            on_news,
        )
        return Request(self, native, events)

    def run_once(self) -> bool:
        """Runs one pass on this thread, if the engine has none of its own. Returns whether there was anything to do.

        `gesso.BusyError` while another thread runs a pass, and in a callback.
        """
        return self._native.run_once()

    def drain(self) -> None:
        """Waits until all requests have ended. Ctrl-C ends the wait."""
        self._native.drain()

    def close(self) -> None:
        """Ends all requests as `Request.cancel` does, and the engine's thread. `submit` then raises ValueError.

        It waits for callbacks that have begun. Ctrl-C ends the wait.
        """
        self._native.close(None)

    def counters(self) -> EngineCounters:
        """What the engine has done so far, and what it holds now. It is cheap."""
        return self._native.counters()

    def forget_prefixes(self) -> None:
        """Forgets what is kept of prompts."""
        self._native.forget_prefixes()


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


@atexit.register
def _end_engines() -> None:
    """Closes all engines. Their threads must not ask for the GIL when it is gone.

    A callback that does not return is left behind. Its thread then ends with the process.
    """
    _native.end_engines()
    engines = list(_engines)
    with contextlib.suppress(KeyboardInterrupt):
        for engine in engines:  # ask all of them before the first wait
            engine._native.close(0)
        end = time.monotonic() + _native.PATIENCE
        for engine in engines:
            engine._native.close(max(0.0, end - time.monotonic()))
