"""Makes the records of `gesso bench`: the times, and what a reader must know of the machine, software and command."""

from __future__ import annotations

import math
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from gesso import __version__, _native
from gesso.measure.bench import PHASES, Measurements, Setting
from gesso.measure.floor import Ceilings, op_floor, pass_floor_ms, share
from gesso.measure.memory import total_bytes
from gesso.measure.record_types import Device, Op, Origin, Pass, ProfiledOp, Record, Spread, Subject, total_work
from gesso.model import Model

SCHEMA = 1
MOST_WAITING = 0.03  # if threads wait for a processor longer than this share of their time, the record has a note
NVIDIA_VERSION = Path("/proc/driver/nvidia/version")


def make_record(origin: Origin, model: Model, setting: Setting, found: Measurements, ceilings: Ceilings) -> Record:
    """Returns the record of one setting. docs/bench.md describes every key."""
    canvas_length = model.config.canvas_length
    encode_ms, commit_ms = spread(found.encode_ms), spread(found.commit_ms)
    first_canvas_ms = spread(found.first_canvas_ms)
    step_without_self_conditioning_ms = spread(found.step_without_self_conditioning_ms)
    step_ms = spread(found.step_ms) if found.step_ms else None
    canvas_ms = setting.steps * (step_ms or step_without_self_conditioning_ms)["median"] + commit_ms["median"]
    times = (encode_ms, step_ms, step_without_self_conditioning_ms, commit_ms)
    passes = {phase: describe_pass(found.ops[phase], ms, ceilings) for phase, ms in zip(PHASES, times, strict=True)}
    return {
        **origin,
        "device": device_record(model.device),
        "activations": model.activations,
        "num_threads": model.num_threads,
        "prompt_tokens": setting.prompt_tokens,
        "batch": setting.batch,
        "steps": setting.steps,
        "canvas_length": canvas_length,
        "repetitions": setting.repetitions,
        "seed": setting.seed,
        "encode_ms": encode_ms,
        "step_ms": step_ms,
        "step_without_self_conditioning_ms": step_without_self_conditioning_ms,
        "commit_ms": commit_ms,
        "first_canvas_ms": first_canvas_ms,
        "encode_tokens_per_s": 1e3 * setting.batch * setting.prompt_tokens / encode_ms["median"],
        "committed_tokens_per_s": 1e3 * setting.batch * canvas_length / canvas_ms,
        "first_encode_ms": found.first_encode_ms,
        "first_step_ms": found.first_step_ms,
        "mean_entropy_nats": [x if math.isfinite(x) else None for x in found.mean_entropy_nats],
        "waiting_share": found.waiting_share,
        "peak_memory_bytes": found.peak_memory_bytes,
        "peak_memory_kind": found.peak_memory_kind,
        "passes": passes,
        "first_canvas_share_of_floor": first_canvas_share(passes, first_canvas_ms, setting.steps),
        "ceilings": ceilings.records(),
        "profile": profile(found, ceilings) if setting.profile else None,
        "notes": notes(model, setting, found, ceilings),
    }


def spread(samples: Sequence[float]) -> Spread:
    """Returns the median, the 10th and the 90th percentile and the samples themselves. There must be a sample."""
    p10, median, p90 = np.percentile(samples, (10, 50, 90)).tolist()
    return {"median": median, "p10": p10, "p90": p90, "samples": list(samples)}


def describe_pass(ops: Sequence[Op], ms: Spread | None, ceilings: Ceilings) -> Pass:
    """Returns the work of one encode, step or commit, and the least time that it can take."""
    floor_ms = pass_floor_ms(ops, ceilings) if ops else None
    share_of_floor = share(floor_ms, ms["median"]) if ms else None
    return {**total_work(ops), "floor_ms": floor_ms, "share_of_floor": share_of_floor}


def first_canvas_share(passes: Mapping[str, Pass], ms: Spread, steps: int) -> float | None:
    phases = ["encode", "step_without_self_conditioning", *["step"] * (steps - 1)]
    floors = [floor for phase in phases if (floor := passes[phase]["floor_ms"]) is not None]
    return share(sum(floors), ms["median"]) if len(floors) == len(phases) else None


def profile(found: Measurements, ceilings: Ceilings) -> dict[str, list[ProfiledOp]]:
    return {phase: [profiled(op, ceilings) for op in ops] for phase, ops in found.ops.items()}


def profiled(op: Op, ceilings: Ceilings) -> ProfiledOp:
    return {**op, "weight": op["weight"] or None, "plan": op["plan"] or None, **op_floor(op, ceilings)}


def notes(model: Model, setting: Setting, found: Measurements, ceilings: Ceilings) -> list[str]:
    """Returns sentences that a reader needs so that the figures do not mislead."""
    lines = work_notes(setting.steps)
    if setting.steps == 1:
        lines.append("the only step of a canvas has no self-conditioning")
    if not ceilings.entries:
        lines.append("the ceilings of a GPU are not measured by this command, so there are no floors")
    lines += machine_notes(model, found.waiting_share)
    if setting.profile and model.device != "cpu":
        lines.append("on a GPU, profiled ops wait for each other, so their times add up to more than a step's")
    return lines


def work_notes(steps: int) -> list[str]:
    return [f"every canvas takes {steps} denoising steps: no early stop", "prompts are random tokens"]


def machine_notes(model: Model, waiting_share: float | None) -> list[str]:
    """Returns what made the times longer than they could be."""
    lines = []
    if model.device == "cpu" and model.num_threads > num_processors():
        lines.append(f"{model.num_threads} threads on {num_processors()} processors")
    return lines + busy_notes(waiting_share)


def busy_notes(waiting_share: float | None) -> list[str]:
    """Returns a note if the threads had to wait for a processor."""
    if waiting_share is None or waiting_share <= MOST_WAITING:
        return []
    return [
        f"the threads waited for a processor {waiting_share:.0%} of the time, because other programs were running: the"
        " times are too long"
    ]


def make_origin(model: Subject, command: Sequence[str], kind: str) -> Origin:
    """Returns the part that all records of a run share."""
    return {
        "schema": SCHEMA,
        "kind": kind,
        "gesso_version": __version__,
        "build": "cuda" if _native.has_cuda() else "cpu",
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": shlex.join(command),
        "machine": {
            "cpu": cpu_name(),
            "num_processors": num_processors(),
            "memory_bytes": total_bytes(),
            "system": f"{platform.system()}-{platform.release()}-{platform.machine()}",
            "python": platform.python_version(),
            "instruction_sets": _native.instruction_sets(),
            "int8_kernels": _native.int8_kernels_name(),
        },
        "model": model,
    }


def device_record(name: str) -> Device:
    device = next(x for x in _native.devices() if x.name == name)
    is_cpu = name == "cpu"
    return {
        "name": name,
        "description": device.description,
        "memory_bytes": None if is_cpu else device.total_bytes,
        "driver": None if is_cpu else driver_version(),
    }


def driver_version() -> str | None:
    """Returns the version line of NVIDIA's driver, or None where there is no driver, as for an emulated GPU."""
    return NVIDIA_VERSION.read_text().splitlines()[0].strip() if NVIDIA_VERSION.exists() else None


def num_processors() -> int:
    """Returns the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
