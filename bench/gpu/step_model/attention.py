"""Attention over cached keys and those of the canvas."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from gpu.step_model import kernels
from gpu.step_model.bounds import Grid, Occupancy, Time, kernel_time, resident_blocks, sm_cycles
from gpu.step_model.launch import Launch
from gpu.step_model.loops import Case, Work
from gpu.step_model.machine import Machine
from gpu.step_model.plans import AttentionPlan
from gpu.step_model.shape import Heads


@dataclass(frozen=True)
class Attention(Launch):
    heads: Heads
    plan: AttentionPlan
    num_canvases: int
    canvas: int  # rows of one
    cached: int  # tokens before the canvas

    @property
    def warps(self) -> int:
        return self.plan.bands * self.plan.slices

    @property
    def symbol(self) -> dict[str, object]:
        return {"dim": self.plan.dim, "slices": self.plan.slices, "bands": self.plan.bands}

    @property
    def keys(self) -> int:
        """That a query sees. A window counts the query's own position."""
        seen = min(self.cached, self.heads.window - 1) if self.heads.window else self.cached
        return self.canvas + seen

    @property
    def steps(self) -> int:
        """Steps begin at multiples of their keys. So one more is needed, unless the first seen key is a multiple."""
        begins_at_step = not self.heads.window and self.cached % self.plan.keys == 0
        return ceil(self.keys / self.plan.keys) + (not begins_at_step)

    def work(self, machine: Machine) -> Work:
        return kernels.work("attention", machine.arch, Case(row_copies=self.plan.keys / self.warps), **self.symbol)

    def floor(self, machine: Machine) -> float:
        rows = self.num_canvases * self.canvas
        return 4 * rows * self.heads.num_heads * self.heads.dim * self.keys / machine.bf16_rate

    def occupancy(self, machine: Machine) -> Occupancy:
        registers = kernels.registers("attention", machine.arch, **self.symbol)
        resident = resident_blocks(machine, self.plan.shared_bytes, registers, 32 * self.warps)
        return Occupancy(resident, min(resident, ceil(self.plan.blocks / machine.sms)) * self.warps)

    def time(self, machine: Machine) -> Time:
        blocks = ceil(self.plan.blocks / machine.sms)
        resident = min(self.occupancy(machine).blocks, blocks)
        grid = Grid(blocks, resident, self.steps, machine.attention_fill, machine.attention_latency)
        cycles = sm_cycles(machine, self.work(machine), self.warps, grid)
        dram = self.num_canvases * self.keys * self.heads.num_key_value_heads * self.heads.read_bytes
        l2 = self.plan.blocks * self.steps * self.plan.keys * self.heads.read_bytes
        return kernel_time(machine, cycles, dram, l2)
