"""Measures how long a model takes to encode, for a denoising step and for a commit. `gesso bench` prints the result.

    result = measure(model, Setting(prompt_tokens=512, batch=1, steps=16, repetitions=5, profile=False))

A repetition begins with an empty session. It encodes the prompt, denoises one canvas with a fixed number of steps and
encodes the finished canvas (the commit). A warm-up run comes first; its times are not among the samples.

A pass may have room for only some canvases of a batch. Then they take all their steps, and only then the others take
theirs. So a step of the whole batch is several passes, which do not follow each other. For example, with room for one
canvas, a batch of 3 and 16 steps, the second step is the passes 2, 18 and 34. `of_whole_batch` finds them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

from gesso import _native
from gesso.measure.compare import random_prompt
from gesso.measure.memory import peak_bytes, reset_peak
from gesso.measure.record_types import Op, total_work
from gesso.model import Model
from gesso.session import Session

PHASES = ("encode", "step", "step_without_self_conditioning", "commit")
WARM_UP_STEPS = 3  # a GPU records a step the second time and replays it from the third on
Arguments = ParamSpec("Arguments")
Pass = TypeVar("Pass")


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
    first_canvas_ms: list[float] = field(default_factory=list)  # until all sequences have one
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
    found.peak_memory_bytes, found.peak_memory_kind = peak_memory(model, is_fresh)
    return found


def peak_memory(model: Model, is_fresh: bool) -> tuple[int, str]:
    """Returns a number of bytes, and what it counts. is_fresh: what reset_peak() has returned."""
    if model.device == "cpu":
        return peak_bytes(), "resident, process" + ("" if is_fresh else ", since its start")
    return next(x.used_bytes for x in _native.devices() if x.name == model.device), "allocated, device"


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


def of_whole_batch(passes: Sequence[Pass], steps: int) -> list[list[Pass]]:
    """Returns the passes of each step of the whole batch. Every canvas takes `steps` steps."""
    return [list(passes[step::steps]) for step in range(steps)]


def _generate(
    session: Session, setting: Setting, steps: int, on_step: Callable[[_native.StepEvent], None] | None = None
) -> list[float]:
    """Generates one canvas per sequence with exactly `steps` steps. Returns the times of the steps in milliseconds.

    It cannot stop early, because no mean entropy is below 0. No token ends the text, because there are no end tokens.
    """
    timings = session.generate(
        max_new_tokens=session.model.config.canvas_length,
        max_denoising_steps=steps,
        confidence_threshold=0.0,
        end_token_ids=[],
        seed=list(range(setting.seed, setting.seed + setting.batch)),
        on_step=on_step,
    ).timings
    return [sum(passes) for passes in of_whole_batch(timings.step_ms, steps)]


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
    step_ms = _generate(session, setting, setting.steps, keep_entropy if with_entropies else None)
    found.encode_ms.append(encode_ms)
    found.step_without_self_conditioning_ms.append(step_ms[0])
    found.step_ms += step_ms[1:]
    found.first_canvas_ms.append(encode_ms + sum(step_ms))
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

    def take() -> list[Op]:
        return [_fields(op) for op in session._native.take_profile()]

    def run(steps: int) -> None:
        passes: list[list[Op]] = []

        def take_pass(_: _native.StepEvent) -> None:
            if ops := take():  # the first event behind a pass; the others of the pass find nothing
                passes.append(ops)

        session.rewind(0)
        encode_ms = _timed_ms(session.encode, prompts)
        phases["encode"].append(take())
        step_ms = _generate(session, setting, steps, take_pass)
        first, *others = map(_sum_of_ops, of_whole_batch(passes, steps))
        phases["step_without_self_conditioning"].append(first)
        phases["step"] += others
        session.encode(_nothing(setting))
        phases["commit"].append(take())
        if not found.first_step_ms:
            found.first_encode_ms, found.first_step_ms = encode_ms, step_ms[0]

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


def _sum_of_ops(passes: list[list[Op]]) -> list[Op]:
    """The ops of several passes as those of one. Each op keeps all its plans."""
    return [
        {
            **calls[0],
            **total_work(calls),
            "plan": "; ".join(dict.fromkeys(plan for op in calls for plan in op["plan"].split("; "))),
            "calls": sum(op["calls"] for op in calls),
            "ms": sum(op["ms"] for op in calls),
        }
        for calls in _by_name(passes)
    ]


def _by_name(passes: list[list[Op]]) -> list[list[Op]]:
    """The calls of each op with each weight in all passes."""
    found: dict[tuple[str, str], list[Op]] = {}
    for ops in passes:
        for op in ops:
            found.setdefault((op["op"], op["weight"]), []).append(op)
    return list(found.values())


def _typical_ops(passes: list[list[Op]]) -> list[Op]:
    """Combines the ops of several passes of one kind to those of one typical pass, the longest op first.

    Times are medians. Counts are means: they may differ from pass to pass, because other experts run.
    """
    typical = [_typical_op(each, len(passes)) for each in _by_name(passes)]
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
