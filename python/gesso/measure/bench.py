"""Measures how long a model takes to encode, for a denoising step and for a commit. `gesso bench` prints the result.

    result = measure(model, Setting(prompt_tokens=512, batch=1, steps=16, repetitions=5, profile=False))

A repetition begins with an empty session. It encodes the prompt, denoises one canvas with a fixed number of steps and
encodes the finished canvas (the commit). A warm-up run comes first; its times are not among the samples.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec

import numpy as np

from gesso import _native
from gesso.measure.compare import random_prompt
from gesso.measure.memory import peak_bytes, reset_peak
from gesso.measure.record_types import Op, total_work
from gesso.model import Model, Session

PHASES = ("encode", "step", "step_without_self_conditioning", "commit")
WARM_UP_STEPS = 3  # a GPU records a step the second time and replays it from the third on
Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class Setting:
    prompt_tokens: int
    batch: int
    steps: int
    repetitions: int
    profile: bool = False  # whether the times of single ops are needed; otherwise only their work is counted
    seed: int = 0


@dataclass
class Measurements:
    """The times of one setting in milliseconds, in the order of measurement, and the ops of each kind of pass.

    All of them are for the whole batch.
    """

    encode_ms: list[float] = field(default_factory=list)
    step_ms: list[float] = field(default_factory=list)  # steps with self-conditioning: all but a canvas' first
    step_without_self_conditioning_ms: list[float] = field(default_factory=list)
    commit_ms: list[float] = field(default_factory=list)
    first_canvas_ms: list[float] = field(default_factory=list)
    mean_entropy_nats: list[float] = field(default_factory=list)  # one for each step: the mean over the batch
    first_encode_ms: float = 0.0
    first_step_ms: float = 0.0
    # Threads may be ready to run while other programs have the processors. This is the share of the threads' time that
    # they waited so; None if it is not known.
    waiting_share: float | None = None
    peak_memory_bytes: int = 0
    peak_memory_kind: str = ""
    ops: dict[str, list[Op]] = field(default_factory=dict)  # for each of PHASES


def measure(model: Model, setting: Setting, on_done: Callable[[int], object] = lambda _: None) -> Measurements:
    """Measures one setting. on_done(n) is called after n of the repetitions + 1 runs."""
    is_fresh = reset_peak()
    session = model.session(setting.batch)
    rng = np.random.default_rng(setting.seed)
    prompts = [random_prompt(model, rng, setting.prompt_tokens) for _ in range(setting.batch)]
    found = Measurements()
    _warm_up(session, prompts, setting, found)
    on_done(1)
    with WaitingShare(model.num_threads) as waiting:
        for repetition in range(setting.repetitions):
            _repeat(session, prompts, setting, found, with_entropies=repetition == 0)
            on_done(repetition + 2)
    if model.device == "cpu":
        found.waiting_share = waiting.share
        found.peak_memory_bytes = peak_bytes()
        found.peak_memory_kind = "resident, process" + ("" if is_fresh else ", since its start")
    else:
        found.peak_memory_bytes = next(x.used_bytes for x in _native.devices() if x.name == model.device)
        found.peak_memory_kind = "allocated, device"
    return found


class WaitingShare:
    """The share of their time that threads waited for a processor within a `with` block: ready to run, while other
    programs had the processors. None where the system does not tell."""

    share: float | None = None

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads

    def __enter__(self) -> WaitingShare:
        self._waited, self._start = waited_seconds(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        waited = waited_seconds()
        if self._waited is not None and waited is not None:
            self.share = (waited - self._waited) / (self._num_threads * (time.perf_counter() - self._start))


def waited_seconds() -> float | None:
    """Returns how many seconds the threads of this process have waited for a processor in all.

    Returns None where the system does not tell.
    """
    try:
        files = list(Path("/proc/self/task").glob("*/schedstat"))
        return sum(int(file.read_text().split()[1]) for file in files) / 1e9 if files else None
    except (OSError, IndexError, ValueError):
        return None


def _generate(
    session: Session, setting: Setting, steps: int, on_step: Callable[[_native.StepEvent], None] | None = None
) -> _native.Timings:
    """Generates one canvas with exactly `steps` steps.

    It cannot stop early, because no mean entropy is below 0. No token ends the text, because there are no end tokens.
    """
    return session.generate(
        max_new_tokens=session.model.config.canvas_length,
        max_denoising_steps=steps,
        confidence_threshold=0.0,
        end_token_ids=[],
        seed=list(range(setting.seed, setting.seed + setting.batch)),
        on_step=on_step,
    ).timings


def _timed_ms(function: Callable[Arguments, object], *arguments: Arguments.args, **options: Arguments.kwargs) -> float:
    start = time.perf_counter()
    function(*arguments, **options)
    return 1e3 * (time.perf_counter() - start)


def _repeat(
    session: Session, prompts: list[list[int]], setting: Setting, found: Measurements, with_entropies: bool
) -> None:
    session.rewind(0)
    entropies: list[list[float]] = [[] for _ in range(setting.steps)]

    def keep_entropy(event: _native.StepEvent) -> None:
        entropies[event.step].append(event.mean_entropy)

    encode_ms = _timed_ms(session.encode, prompts)
    timings = _generate(session, setting, setting.steps, keep_entropy if with_entropies else None)
    found.encode_ms.append(encode_ms)
    found.step_without_self_conditioning_ms.append(timings.step_ms[0])
    found.step_ms += timings.step_ms[1:]
    found.first_canvas_ms.append(encode_ms + timings.first_canvas_ms)
    # Encoding no further tokens encodes those that were generated and are not encoded yet.
    found.commit_ms.append(_timed_ms(session.encode, _nothing(setting)))
    if with_entropies:
        found.mean_entropy_nats = [float(np.mean(each)) for each in entropies]


def _warm_up(session: Session, prompts: list[list[int]], setting: Setting, found: Measurements) -> None:
    """Runs the model without counting its times: the file is read, memory is taken, and the work of the ops is counted.

    With setting.profile, or on a GPU, where profiling makes passes slower, the ops come from a second canvas. That
    canvas takes all its steps if setting.profile is set, else only a few.
    """
    apart = setting.profile or session.model.device != "cpu"
    if not apart:
        session._native.set_profiling(True)
    phases: dict[str, list[list[Op]]] = {phase: [] for phase in PHASES}

    def take(phase: str) -> None:
        phases[phase].append([_fields(op) for op in session._native.take_profile()])

    def take_step(event: _native.StepEvent) -> None:
        if event.sequence == setting.batch - 1:
            take("step" if event.step > 0 else "step_without_self_conditioning")

    def run(steps: int) -> None:
        session.rewind(0)
        encode_ms = _timed_ms(session.encode, prompts)
        take("encode")
        timings = _generate(session, setting, steps, take_step)
        session.encode(_nothing(setting))
        take("commit")
        if not found.first_step_ms:
            found.first_encode_ms, found.first_step_ms = encode_ms, timings.step_ms[0]

    few = min(setting.steps, WARM_UP_STEPS)
    run(few)
    if apart:
        phases = {phase: [] for phase in PHASES}
        session._native.set_profiling(True)
        run(setting.steps if setting.profile else few)
    session._native.set_profiling(False)
    found.ops = {phase: _typical_ops(each) for phase, each in phases.items()}


def _nothing(setting: Setting) -> list[list[int]]:
    return [[]] * setting.batch


def _fields(op: _native.OpProfile) -> Op:
    return {
        "op": op.op,
        "weight": op.weight,
        "types": op.types,
        "plan": op.plan,
        "calls": op.calls,
        "ms": op.ms,
        "stored_bytes": op.stored_bytes,
        "activation_bytes": op.activation_bytes,
        "float_operations": op.float_operations,
        "int8_operations": op.int8_operations,
    }


def _typical_ops(passes: list[list[Op]]) -> list[Op]:
    """Combines the ops of several passes of one kind to those of one typical pass, the longest op first.

    Times are medians. Counts are means: they may differ from pass to pass, because other experts run.
    """
    found: dict[tuple[str, str], list[Op]] = {}
    for ops in passes:
        for op in ops:
            found.setdefault((op["op"], op["weight"]), []).append(op)
    typical = [_typical_op(each, len(passes)) for each in found.values()]
    return sorted(typical, key=lambda op: -op["ms"])


def _typical_op(calls: list[Op], num_passes: int) -> Op:
    """One op of all passes as that of one pass."""
    total = total_work(calls)
    return {
        "op": calls[0]["op"],
        "weight": calls[0]["weight"],
        "types": calls[0]["types"],
        "plan": calls[0]["plan"],
        "calls": round(sum(op["calls"] for op in calls) / num_passes),
        "ms": statistics.median(op["ms"] for op in calls),
        "stored_bytes": total["stored_bytes"] / num_passes,
        "activation_bytes": total["activation_bytes"] / num_passes,
        "float_operations": total["float_operations"] / num_passes,
        "int8_operations": total["int8_operations"] / num_passes,
    }
