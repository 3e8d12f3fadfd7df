"""The router's product: float32 on the CUDA cores (cuda/router.cu). The kernel behind it adds the parts of the sums."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from gpu.step_model import kernels
from gpu.step_model.bounds import Grid, Occupancy, Time, kernel_time, resident_blocks, sm_cycles
from gpu.step_model.launch import Launch
from gpu.step_model.loops import Case
from gpu.step_model.machine import Machine
from gpu.step_model.shape import Matrix

# Of a block: rows of x, experts, columns of a step. SHARED_BYTES is its ring of three steps.
TILE_ROWS, TILE_EXPERTS, STEP_COLUMNS = 32, 64, 32
SHARED_BYTES = 3 * (TILE_ROWS + TILE_EXPERTS) * (STEP_COLUMNS + 4) * 4
CANVAS_ROWS = 256  # so many rows decide into how many parts the sum is cut


@dataclass(frozen=True)
class Router(Launch):
    matrix: Matrix
    rows: int

    def tiles(self, rows: int) -> int:
        return ceil(rows / TILE_ROWS) * ceil(self.matrix.outputs / TILE_EXPERTS)

    def steps(self, machine: Machine) -> int:
        """Of a block. As many parts as fill the multiprocessors once with the tiles of a canvas."""
        return ceil(self.num_steps / max(1, machine.sms // self.tiles(CANVAS_ROWS)))

    @property
    def num_steps(self) -> int:
        return ceil(self.matrix.columns / STEP_COLUMNS)

    def blocks(self, machine: Machine) -> int:
        return self.tiles(self.rows) * ceil(self.num_steps / self.steps(machine))

    def floor(self, machine: Machine) -> float:
        return self.matrix.num_bytes / machine.bw

    def occupancy(self, machine: Machine) -> Occupancy:
        warps, registers = kernels.KERNELS["router"].warps, kernels.registers("router", machine.arch)
        resident = resident_blocks(machine, SHARED_BYTES, registers, 32 * warps)
        return Occupancy(resident, min(resident, ceil(self.blocks(machine) / machine.sms)) * warps)

    def time(self, machine: Machine) -> Time:
        warps, blocks, steps = kernels.KERNELS["router"].warps, self.blocks(machine), self.steps(machine)
        work = kernels.work("router", machine.arch, Case())
        prologue = machine.prologue_issue * warps / 4
        resident = self.occupancy(machine).blocks
        grid = Grid(ceil(blocks / machine.sms), resident, steps, machine.fill, machine.step_latency, prologue)
        cycles = sm_cycles(machine, work, warps, grid)
        step_bytes = (TILE_ROWS + TILE_EXPERTS) * STEP_COLUMNS * 4
        written = blocks * TILE_ROWS * TILE_EXPERTS * 4
        return kernel_time(machine, cycles, self.matrix.num_bytes, blocks * steps * step_bytes + written)
