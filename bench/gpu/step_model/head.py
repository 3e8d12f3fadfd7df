"""What follows each chunk of the head's product: the statistics of its logits, and its part of the soft embedding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from gpu.step_model import kernels
from gpu.step_model.assumptions import STATS_START
from gpu.step_model.bounds import Grid, Occupancy, Time, kernel_time, resident_blocks, sm_cycles
from gpu.step_model.launch import Launch
from gpu.step_model.loops import Work
from gpu.step_model.machine import Machine
from gpu.step_model.plans import SoftPlan
from gpu.step_model.shape import Matrix

CHUNK_TOKENS = 8192  # chunk_tokens of a large vocabulary (cuda/vocabulary/token_stats_chunk.h)
BAND_ROWS = 512  # kSoftBandRows: rows that walk the vocabulary together
STATS_WARPS, STATS_RESIDENT = 16, 2  # of a block of head_stats_chunk_kernel, and its blocks of a multiprocessor
SOFT_ROWS, SOFT_COLUMNS = 256, 128  # of a tile of the soft embedding


@dataclass(frozen=True)
class Statistics(Launch):
    """A block takes a row of logits. It has no loop, so what it executes is an assumption."""

    rows: int

    def time(self, machine: Machine) -> Time:
        places = STATS_RESIDENT * machine.sms
        blocks = ceil(self.rows / places) * STATS_RESIDENT if self.rows > machine.sms else 1
        issue = blocks * STATS_WARPS / 4 * machine.stats_executed / machine.hz
        return Time(max(machine.small, issue + STATS_START), "issue")


@dataclass(frozen=True)
class SoftEmbedding(Launch):
    """The chunk's rows of the table are in the L2 cache, since the head's product has read them."""

    table: Matrix  # a chunk of it
    rows: int
    plan: SoftPlan

    @property
    def tiles(self) -> int:
        return ceil(self.rows / SOFT_ROWS)

    def floor(self, machine: Machine) -> float:
        return 2 * self.rows * CHUNK_TOKENS * self.table.columns / machine.bf16_rate

    def occupancy(self, machine: Machine) -> Occupancy:
        kernel = kernels.KERNELS[self.plan.kernel]
        registers = kernels.registers(self.plan.kernel, machine.arch, **kernels.names_of(self.table.dtype))
        return Occupancy(resident_blocks(machine, 0, registers, 32 * kernel.warps), kernel.warps)

    def work(self, machine: Machine) -> Work:
        """A warp's step. With mma half of the warps decode a step, the other half the next."""
        kernel = kernels.KERNELS[self.plan.kernel]
        decodes = 1.0 if kernel.is_asynchronous else 0.5
        begin_alike = self.table.num_bytes // self.table.outputs % 16 == 0
        case = kernels.product_case(self.plan.kernel, self.table.dtype, decodes=decodes, begin_alike=begin_alike)
        work = kernels.work(self.plan.kernel, machine.arch, case, **kernels.names_of(self.table.dtype))
        if kernel.sharing > 1:  # bulk copies, which no warp issues, but which shared memory takes as any other
            work = replace(work, smem=work.smem + self.weight_bytes / 128 / kernel.warps)
        return work

    @property
    def weight_bytes(self) -> int:
        """Of a tile's step."""
        return SOFT_ROWS * self.plan.step_tokens * 2

    @property
    def table_bytes(self) -> float:
        """The stored bytes that are copied for a tile's step. With mma these are whole blocks, also where a tile has
        half of their columns."""
        columns = max(SOFT_COLUMNS, 64 * kernels.SPAN_STEPS[self.table.dtype])
        of_blocks = columns * self.table.num_bytes / self.table.outputs / self.table.columns
        parts = kernels.PART_BYTES if kernels.KERNELS[self.plan.kernel].sharing > 1 else {}
        return self.plan.step_tokens * parts.get(self.table.dtype, of_blocks)

    def time(self, machine: Machine) -> Time:
        plan, kernel = self.plan, kernels.KERNELS[self.plan.kernel]
        blocks = ceil(plan.blocks * self.tiles / machine.sms)
        # A further piece costs the adding to the sums, and no new start.
        fill = machine.soft_fill + (plan.pieces - 1) * (machine.soft_fill - machine.fill)
        work = self.work(machine)
        # Without a barrier in the loop, one warpgroup's products run while the other one waits.
        grid = Grid(blocks, 1, plan.steps, fill, machine.step_latency * min(1, work.barriers))
        cycles = sm_cycles(machine, work, kernel.warps, grid, kernel.is_asynchronous)
        sums = 2 * plan.all_pieces * self.rows * SOFT_COLUMNS * 4  # read and written
        step_bytes = self.weight_bytes / kernel.sharing + self.table_bytes
        return kernel_time(machine, cycles, 0, plan.blocks * self.tiles * plan.steps * step_bytes + sums)
