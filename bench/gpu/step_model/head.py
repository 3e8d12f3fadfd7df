"""What follows each chunk of the head's product: the statistics of its logits, and its part of the soft embedding."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from gpu.step_model import kernels
from gpu.step_model.bounds import Grid, Occupancy, Time, kernel_time, resident_blocks, sm_cycles
from gpu.step_model.launch import Launch
from gpu.step_model.machine import Machine

CHUNK_TOKENS = 8192  # chunk_tokens of a large vocabulary (cuda/vocabulary/token_stats_chunk.h)
BAND_ROWS = 512  # kSoftBandRows: rows that walk the vocabulary together
STATS_WARPS, STATS_RESIDENT = 16, 2  # of a block of head_stats_chunk_kernel, and its blocks of a multiprocessor
STATS_START = 1.5e-6  # seconds until it has its logits
# Of soft_embed_mma: rows and columns of a block, and tokens of a step.
SOFT_ROWS, SOFT_COLUMNS, SOFT_TOKENS = 256, 128, 32


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

    dtype: str
    rows: int
    columns: int
    segments: int

    @property
    def blocks(self) -> int:
        return ceil(self.columns / SOFT_COLUMNS) * self.segments * ceil(self.rows / SOFT_ROWS)

    def floor(self, machine: Machine) -> float:
        return 2 * self.rows * CHUNK_TOKENS * self.columns / machine.bf16_rate

    def occupancy(self, machine: Machine) -> Occupancy:
        warps = kernels.KERNELS["soft embedding"].warps
        registers = kernels.registers("soft embedding", machine.arch, **kernels.names_of(self.dtype))
        return Occupancy(resident_blocks(machine, 0, registers, 32 * warps), warps)

    def time(self, machine: Machine) -> Time:
        blocks, steps = ceil(self.blocks / machine.sms), CHUNK_TOKENS / SOFT_TOKENS / self.segments
        case = kernels.product_case("soft embedding", self.dtype)
        work = kernels.work("soft embedding", machine.arch, case, **kernels.names_of(self.dtype))
        grid = Grid(blocks, 1, steps, machine.soft_fill, machine.step_latency)
        cycles = sm_cycles(machine, work, kernels.KERNELS["soft embedding"].warps, grid)
        sums = 2 * self.segments * self.rows * self.columns * 4  # read and written
        step_bytes = SOFT_ROWS * SOFT_TOKENS * 2 + SOFT_TOKENS * SOFT_COLUMNS
        return kernel_time(machine, cycles, 0, self.blocks * steps * step_bytes + sums)
