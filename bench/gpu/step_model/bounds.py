"""How long a multiprocessor takes for its blocks, and a kernel for its multiprocessors: what bounds them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil

from gpu.step_model.assumptions import SERIAL_SMEM
from gpu.step_model.loops import Work
from gpu.step_model.machine import Machine


@dataclass(frozen=True)
class Time:
    seconds: float
    bound: str  # a pipe, "dram", "l2", "latency" or "launch"


@dataclass(frozen=True)
class Occupancy:
    """Of one multiprocessor."""

    blocks: int
    warps: int


@dataclass(frozen=True)
class Grid:
    """The part of a kernel that its busiest multiprocessor does."""

    blocks: float  # tiles, one after another or side by side
    resident: int  # side by side
    steps: float  # of the main loop, in each
    fill: float  # cycles of a block until its first step starts
    latency: float  # cycles of a step beyond what it issues
    prologue: float = 0  # cycles of a block outside its loop


def norm(values: Collection[float], p: float) -> float:
    """A sum where p is 1, and near the largest value where p is large."""
    top = max(values)
    return top * sum((value / top) ** p for value in values if value > 0) ** (1 / p) if top > 0 else 0.0


def resident_blocks(machine: Machine, shared_bytes: int, registers: int, threads: int) -> int:
    """How many blocks of a kernel a multiprocessor holds. It is at least 1: others could not be launched."""
    by_shared = (machine.smem_kb + 1) * 1024 // (shared_bytes + 1024)
    by_registers = machine.regs // (ceil(registers / 8) * 8 * threads)
    return max(1, min(by_shared, by_registers))


def sm_cycles(machine: Machine, work: Work, warps: int, grid: Grid, is_asynchronous: bool = False) -> Time:
    """Cycles (in place of seconds) that a multiprocessor takes.

    Many blocks: their pipes overlap. A block alone has a warp per scheduler: what is no product comes before products,
    unless these are asynchronous or there are two warps per scheduler.
    """
    cycles = work.cycles(machine, warps)
    together = norm(cycles.values(), machine.p_norm)
    if is_asynchronous:
        alone = together
    else:
        others = cycles["issue"] - work.products * warps / 4
        rest = max(others, cycles["alu"], cycles["fma"], SERIAL_SMEM * cycles["smem"], cycles["xu"])
        alone = max(rest, cycles["tensor"]) + machine.serial_share * min(rest, cycles["tensor"])
        if warps >= 8:
            alone = min(alone, together)
    many = grid.steps * together
    chain = (grid.steps * (alone + grid.latency) + grid.fill) / min(grid.resident, max(1, grid.blocks))
    is_waiting = chain > many and not is_asynchronous
    each = max(many, chain) + grid.prologue
    return Time(grid.blocks * each, "latency" if is_waiting else max(cycles, key=lambda pipe: cycles[pipe]))


def kernel_time(machine: Machine, cycles: Time, dram_bytes: float, l2_bytes: float) -> Time:
    """The time of a kernel from the cycles of its busiest multiprocessor and its bytes."""
    seconds = {
        cycles.bound: cycles.seconds / machine.hz,
        "dram": dram_bytes / machine.memory_rate,
        "l2": (l2_bytes + dram_bytes) / machine.l2,
    }
    return Time(norm(seconds.values(), machine.p_memory), max(seconds, key=lambda name: seconds[name]))
