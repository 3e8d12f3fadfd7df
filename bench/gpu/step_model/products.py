"""Products with a matrix, and with those of experts."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from gpu.step_model import kernels
from gpu.step_model.bounds import Grid, Occupancy, Time, kernel_time, resident_blocks, sm_cycles
from gpu.step_model.launch import Launch, RowKernel
from gpu.step_model.loops import Case, Work
from gpu.step_model.machine import Machine
from gpu.step_model.plans import ProductPlan
from gpu.step_model.shape import Matrix, Routing


@dataclass(frozen=True)
class Product(Launch):
    matrix: Matrix
    plan: ProductPlan
    rows: int  # of the result; with experts: slots

    @property
    def kernel(self) -> kernels.Kernel:
        return kernels.KERNELS[self.plan.kernel]

    @property
    def warps(self) -> int:
        return self.plan.warps

    @property
    def symbol(self) -> dict[str, object]:
        return {
            **kernels.names_of(self.matrix.dtype),
            "rows": self.plan.tile_rows,
            "terms": self.plan.num_terms,
            "groups": self.warps // 4,  # warpgroups
        }

    def work(self, machine: Machine) -> Work:
        return kernels.work(self.plan.kernel, machine.arch, self.case(machine), **self.symbol)

    def case(self, machine: Machine) -> Case:
        decodes = 1 / self.kernel.groups_of(self.plan.tile_rows)
        copies, shares = self.row_copies(machine), self.shares()
        return kernels.product_case(self.plan.kernel, self.matrix.dtype, decodes=decodes, row_copies=copies, **shares)

    def row_copies(self, machine: Machine) -> float:
        """How many of the tiles copy their rows of x."""
        return 1.0

    def shares(self) -> dict[str, object]:
        """How often the blocks with matrix instructions run in a step, if not always."""
        return {}

    def floor(self, machine: Machine) -> float:
        rate = machine.bf16_rate if "bf16" in self.plan.kernel else machine.int8_rate
        weights_of_row = self.matrix.rows_of_all // max(1, self.matrix.num_experts) * self.matrix.columns
        return max(self.matrix.num_bytes / machine.bw, 2 * self.rows * weights_of_row / rate)

    def occupancy(self, machine: Machine) -> Occupancy:
        registers = kernels.registers(self.plan.kernel, machine.arch, **self.symbol)
        resident = min(self.plan.resident, resident_blocks(machine, self.plan.shared_bytes, registers, 32 * self.warps))
        blocks = min(resident, ceil(self.plan.blocks / machine.sms))
        return Occupancy(resident, blocks * self.warps)

    def time(self, machine: Machine) -> Time:
        blocks = ceil(self.plan.blocks / machine.sms)
        bytes_of_rows = self.plan.blocks * self.plan.steps * self.plan.tile_rows * self.kernel.step_row_bytes
        return self._time(machine, blocks, bytes_of_rows)

    def _time(self, machine: Machine, blocks: float, bytes_of_rows: float) -> Time:
        work, kernel = self.work(machine), self.kernel
        latency = machine.step_latency * min(1, work.barriers)
        # In a run each tile stores its sums, which is taken to be half of what a block does outside its loop.
        prologue = machine.wgmma_prologue * (1 + self.first_of_run()) / 2
        if not kernel.is_asynchronous:
            latency += work.groups * machine.group_latency / (self.warps / 4)  # a scheduler's other warps fill it
            prologue = machine.prologue_issue * self.warps / 4
        fill = machine.fill * self.first_of_run()
        grid = Grid(blocks, self.occupancy(machine).blocks, self.plan.steps, fill, latency, prologue)
        cycles = sm_cycles(machine, work, self.warps, grid, kernel.is_asynchronous)
        return kernel_time(machine, cycles, self.matrix.num_bytes, bytes_of_rows + self.partial_bytes)

    def first_of_run(self) -> float:
        """How many of the tiles do not begin while their block ends another one."""
        return 1.0

    @property
    def partial_bytes(self) -> int:
        """Of the sums of splits, which blocks write and the last of them reads."""
        splits = self.plan.splits
        return 2 * splits * self.rows * self.matrix.rows_of_all * 4 if splits > 1 else 0


@dataclass(frozen=True)
class ExpertProduct(Product):
    """A block takes several tiles, each of an expert."""

    routing: Routing

    @property
    def tiles(self) -> float:
        return self.routing.tiles * self.matrix.num_experts * ceil(self.outputs / self.kernel.weight_rows)

    @property
    def outputs(self) -> int:
        """Weight rows of an expert."""
        return self.matrix.rows_of_all // self.matrix.num_experts

    def shares(self) -> dict[str, object]:
        """Rows that a tile does not have are not multiplied. The code of a narrow tile has a block for each 8 rows."""
        groups = {"groups": self.routing.groups}
        if self.plan.tile_rows > kernels.NARROW_ROWS:
            return groups | {"other_share": self.routing.mean_share}
        return groups | {"shares": self.routing.groups, "other_share": 0.0}

    def first_of_run(self) -> float:
        """Tiles with the same rows of x form a run. It ends with the rows, or with the tiles of a block."""
        runs = self.plan.blocks + self.routing.tiles * self.matrix.num_experts
        return runs / self.tiles if self.kernel.has_runs else 1.0

    def row_copies(self, machine: Machine) -> float:
        """Where short rows are kept, the first tile of a run copies them."""
        is_short = self.plan.tile_rows <= kernels.NARROW_ROWS and self.plan.steps <= self.kernel.kept_steps
        is_kept = is_short and kernels.may_leave_out_rows(self.plan.kernel, machine.arch, **self.symbol)
        return self.first_of_run() if is_kept else 1.0

    def time(self, machine: Machine) -> Time:
        resident = self.occupancy(machine).blocks
        # With runs, neighbouring tiles go to the blocks of one multiprocessor, so that all have as many, but for one.
        side_by_side = 1 if self.kernel.has_runs else resident
        blocks = ceil(self.tiles / (machine.sms * side_by_side)) * side_by_side
        rows_of_tile = self.rows / (self.routing.tiles * self.matrix.num_experts)
        copied_rows = rows_of_tile if self.kernel.copies_rows_alone else 8 * sum(self.routing.groups)
        copied_tiles = self.tiles * self.row_copies(machine)
        return self._time(machine, blocks, copied_tiles * self.plan.steps * copied_rows * self.kernel.step_row_bytes)


def pack(op: str, rows: int, columns: int, kernel: str) -> RowKernel:
    """Rounds rows of float32 for a kernel of products."""
    return RowKernel("packs", op, rows * (columns * 4 + kernels.KERNELS[kernel].row_bytes(columns)))
