"""Attention over cached keys and those of the canvas."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapreplace
from math import ceil

from gpu.step_model import kernels
from gpu.step_model.bounds import Grid, Occupancy, Time, kernel_time, resident_blocks, sm_cycles
from gpu.step_model.launch import Launch
from gpu.step_model.loops import Case, Work
from gpu.step_model.machine import Machine
from gpu.step_model.plans import AttentionPlan
from gpu.step_model.shape import Heads

BAND_QUERIES = 16  # of a warp


@dataclass(frozen=True)
class Attention(Launch):
    heads: Heads
    plan: AttentionPlan
    num_canvases: int
    canvas: int  # rows of one
    cached: int  # tokens before the canvas

    @property
    def warps(self) -> int:
        return self.plan.queries // BAND_QUERIES * self.plan.slices

    @property
    def kernel(self) -> str:
        return "wgmma attention" if self.plan.is_wgmma else "attention"

    @property
    def symbol(self) -> dict[str, object]:
        plan = self.plan
        if plan.is_wgmma:
            return {"dim": plan.dim}
        one_copy = int(self.heads.own_key_bytes > 0)
        return {"dim": plan.dim, "slices": plan.slices, "keys": plan.keys, "one_copy": one_copy}

    @property
    def keys(self) -> int:
        """That a query sees. A window counts the query's own position."""
        seen = min(self.cached, self.heads.window - 1) if self.heads.window else self.cached
        return self.canvas + seen

    @property
    def steps(self) -> int:
        """Of a tile. They begin at multiples of their keys. So one more is needed, unless the first seen key is a
        multiple."""
        begins_at_step = not self.heads.window and self.cached % self.plan.keys == 0
        return ceil(self.keys / self.plan.keys) + (not begins_at_step)

    @property
    def blocks(self) -> list[float]:
        """The steps of each block, in the order in which the blocks start: those of first parts before others."""
        parts = self.plan.parts
        if self.plan.is_wgmma or parts == 1:
            return [self.steps / parts] * self.plan.tiles * parts
        second = self.steps / self.plan.period
        return [self.steps - second] * self.plan.tiles + [second] * self.plan.tiles

    @property
    def partial_bytes(self) -> float:
        """Of the sums that one of two blocks writes and the other reads. All but one block of a tile write once."""
        sums = self.plan.tiles * self.plan.queries * self.plan.dim
        return 2 * 4 * sums * (self.plan.parts - 1)

    def work(self, machine: Machine) -> Work:
        return kernels.work(self.kernel, machine.arch, Case(row_copies=self.plan.keys / self.warps), **self.symbol)

    def floor(self, machine: Machine) -> float:
        rows = self.num_canvases * self.canvas
        return 4 * rows * self.heads.num_heads * self.heads.dim * self.keys / machine.bf16_rate

    def occupancy(self, machine: Machine) -> Occupancy:
        registers = kernels.registers(self.kernel, machine.arch, **self.symbol)
        resident = resident_blocks(machine, self.plan.shared_bytes, registers, 32 * self.warps)
        return Occupancy(resident, min(resident, ceil(len(self.blocks) / machine.sms)) * self.warps)

    def time(self, machine: Machine) -> Time:
        """A block starts where one has ended. With warpgroups a step's chain of scores, shuffles and ex2 runs beside
        the products of the step before. What is left is the latency that every step of a kernel has."""
        work, resident = self.work(machine), self.occupancy(machine).blocks
        is_asynchronous = kernels.KERNELS[self.kernel].is_asynchronous
        latency = machine.step_latency if is_asynchronous else machine.attention_latency
        busy = [0.0] * machine.sms
        for steps in self.blocks:
            grid = Grid(1, 1, steps, machine.attention_fill, latency)
            cycles = sm_cycles(machine, work, self.warps, grid, is_asynchronous)
            heapreplace(busy, busy[0] + cycles.seconds)
        assert resident == 1, "blocks that run side by side hide each other's latency, which is not told here"
        busiest = Time(max(busy), cycles.bound)
        dram = self.num_canvases * self.keys * self.heads.num_key_value_heads * self.heads.read_bytes
        l2 = self.plan.tiles * self.steps * self.plan.keys * self.heads.read_bytes
        time = kernel_time(machine, busiest, dram, l2)
        return Time(time.seconds + self.partial_bytes / machine.l2, time.bound)  # the loops are over by then
