"""Measures how an engine serves many requests at once. `gesso bench --clients` and `--rate` print the result.

    found = measure_load(model, Load(prompt_tokens=512, common_tokens=0, clients=4, rate=None, requests=32, ...))

Clients are a closed loop: each sends its next request when its last one has ended. A rate is an open loop: requests
arrive at random times, whatever has become of those before. A warm-up comes first; it is not counted.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np

from gesso._native import CanvasEvent
from gesso.engine import Engine
from gesso.measure.bench import WARM_UP_STEPS, WaitingShare, peak_memory
from gesso.measure.compare import random_prompt
from gesso.measure.memory import reset_peak
from gesso.model import Model

POLL_SECONDS = 0.2  # how often progress is shown
COUNTERS = (
    *("passes", "canvas_rows", "prompt_rows", "committed_rows"),
    *("prefix_hits", "prefix_misses", "prefix_hit_tokens"),
)


@dataclass(frozen=True)
class Load:
    prompt_tokens: int
    common_tokens: int  # with which all prompts begin, < prompt_tokens
    clients: int | None  # None: a rate
    rate: float | None  # requests per second in the mean; None: clients
    requests: int  # in all
    canvases: int  # of a request
    steps: int  # of a canvas
    seed: int = 0

    @property
    def most_together(self) -> int:
        """How many requests there are at a time, at most."""
        return min(self.clients or self.requests, self.requests)


@dataclass
class LoadMeasurements:
    """What was measured with one load. The lists have an element for each request."""

    seconds: float = 0.0  # from the first request's arrival to the end of the last one
    first_text_ms: list[float] = field(default_factory=list)  # from a request's arrival to its first canvas
    request_ms: list[float] = field(default_factory=list)  # to its last canvas
    sweeps_per_block: list[float] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)  # for each of COUNTERS
    waiting_share: float | None = None  # as in bench.Measurements
    peak_memory_bytes: int = 0
    peak_memory_kind: str = ""


class Sent:
    """A request, and when what became of it. Times are those of time.perf_counter()."""

    def __init__(self, engine: Engine, prompt: list[int], load: Load, seed: int, arrival: float | None = None):
        self.arrival = time.perf_counter() if arrival is None else arrival
        self.canvas_times: list[float] = []
        self._canvas_passes: list[int] = []  # how many passes had run before the one that committed the canvas
        self._engine = engine
        self._load = load
        # No canvas stops early, because no mean entropy is below 0, and no text ends, because there are no end tokens.
        self._request = engine.submit(
            prompt,
            max_new_tokens=load.canvases * engine.model.config.canvas_length,
            max_denoising_steps=load.steps,
            confidence_threshold=0.0,
            end_token_ids=[],
            seed=seed,
            on_canvas=self._note_canvas,
        )

    @property
    def sweeps_per_block(self) -> float:
        """How many passes there were from the one of its first step to the one of its last step, for each canvas.

        A canvas takes a step in every pass until it is committed. So the first canvas took as many passes as steps.
        on_step would tell, too, but calling it takes time.
        """
        return (self._load.steps + self._canvas_passes[-1] - self._canvas_passes[0]) / self._load.canvases

    def is_done(self) -> bool:
        return self._request.done()

    def wait(self) -> None:
        self._request.result()

    def _note_canvas(self, _: CanvasEvent) -> None:
        self.canvas_times.append(time.perf_counter())
        self._canvas_passes.append(self._engine.counters().passes)


def measure_load(model: Model, load: Load, on_done: Callable[[int], object] = lambda _: None) -> LoadMeasurements:
    """Measures one load. on_done(n) is called again and again, when n requests have ended."""
    is_fresh = reset_peak()
    prompts = make_prompts(model, load)
    # The pool ends behind the engine, which ends the requests that its threads wait for.
    with ThreadPoolExecutor(load.most_together) as pool, Engine(model, max_queued=load.requests) as engine:
        _warm_up(engine, load)
        before = engine.counters()

        def send(index: int, arrival: float | None = None) -> Sent:
            return Sent(engine, prompts[index], load, load.seed + index, arrival)

        with WaitingShare(model.num_threads) as waiting:
            if load.clients is not None:
                sent = _closed_loop(pool, load.most_together, load.requests, send, on_done)
            else:
                sent = _arrivals(arrival_times(load), send, on_done)
        after = engine.counters()
        memory = peak_memory(model, is_fresh)
    return LoadMeasurements(
        seconds=max(x.canvas_times[-1] for x in sent) - min(x.arrival for x in sent),
        first_text_ms=[1e3 * (x.canvas_times[0] - x.arrival) for x in sent],
        request_ms=[1e3 * (x.canvas_times[-1] - x.arrival) for x in sent],
        sweeps_per_block=[x.sweeps_per_block for x in sent],
        counters={name: getattr(after, name) - getattr(before, name) for name in COUNTERS},
        waiting_share=waiting.share if model.device == "cpu" else None,
        peak_memory_bytes=memory[0],
        peak_memory_kind=memory[1],
    )


def make_prompts(model: Model, load: Load) -> list[list[int]]:
    """Random tokens for each request. All begin with the same ones."""
    rng = np.random.default_rng(load.seed)
    common = random_prompt(model, rng, load.common_tokens)
    return [common + random_prompt(model, rng, load.prompt_tokens - load.common_tokens) for _ in range(load.requests)]


def arrival_times(load: Load) -> list[float]:
    """When each request arrives, in seconds from the first one. The gaps of a Poisson process are exponential."""
    gaps = np.random.default_rng([load.seed, 1]).exponential(1 / (load.rate or 1), load.requests - 1)
    return [0.0, *np.cumsum(gaps).tolist()]


def _warm_up(engine: Engine, load: Load) -> None:
    """Reads the file, takes memory, and on a GPU records steps of as many canvases as the load has at most."""
    rng = np.random.default_rng([load.seed, 2])
    short = Load(load.prompt_tokens, 0, 1, None, 1, 1, min(load.steps, WARM_UP_STEPS), load.seed)
    together = min(load.most_together, engine.max_running)
    sent = [Sent(engine, random_prompt(engine.model, rng, short.prompt_tokens), short, i) for i in range(together)]
    for each in sent:
        each.wait()
    engine.forget_prefixes()


def _closed_loop(
    pool: ThreadPoolExecutor, clients: int, requests: int, send: Callable[[int], Sent], on_done: Callable[[int], object]
) -> list[Sent]:
    indices, sent, failed = deque(range(requests)), list[Sent](), threading.Event()

    def client() -> None:
        while not failed.is_set():
            try:
                index = indices.popleft()
            except IndexError:
                return
            each = send(index)
            each.wait()
            sent.append(each)

    futures = [pool.submit(client) for _ in range(clients)]
    try:
        while True:
            done, others = wait(futures, POLL_SECONDS, FIRST_EXCEPTION)
            for future in done:
                future.result()
            on_done(len(sent))
            if not others:
                return sent
    except BaseException:
        failed.set()
        raise


def _arrivals(times: list[float], send: Callable[[int, float], Sent], on_done: Callable[[int], object]) -> list[Sent]:
    start, sent = time.perf_counter(), list[Sent]()
    for index, seconds in enumerate(times):
        while (left := start + seconds - time.perf_counter()) > 0:
            time.sleep(min(left, POLL_SECONDS))
            on_done(sum(each.is_done() for each in sent))
        sent.append(send(index, start + seconds))
    for each in sent:
        each.wait()
        on_done(sum(other.is_done() for other in sent))
    return sent
