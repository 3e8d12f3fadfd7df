"""A kernel launch of a step, and the simplest kind: a kernel that works on rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpu.step_model.bounds import Occupancy, Time
from gpu.step_model.machine import Machine


@dataclass(frozen=True)
class Launch:
    group: str  # the line of the table that it belongs to
    op: str  # the op that starts it, as gesso-bench and `gesso bench --profile` name it: "linear attn_output"
    # Whether the kernel starts before the one before it has ended (programmatic dependent launch, from 9.0 on).
    starts_early: bool = field(default=False, kw_only=True)

    def gap(self, machine: Machine) -> float:
        """Seconds between the kernel before and this one."""
        return 1e-6 * (machine.early_gap_us if self.starts_early else machine.gap_us)

    def time(self, machine: Machine) -> Time:
        raise NotImplementedError

    def floor(self, machine: Machine) -> float:
        """The least seconds that its bytes and operations could take, or 0 where nobody asks."""
        return 0.0

    def occupancy(self, machine: Machine) -> Occupancy | None:
        """Where a main loop depends on it."""
        return None


@dataclass(frozen=True)
class RowKernel(Launch):
    """Bound by latency, or by the bytes that it reads and writes in the L2 cache."""

    num_bytes: float = 0
    num_parts: int = 1  # one after another, each as long as a small kernel

    def time(self, machine: Machine) -> Time:
        return Time(max(self.num_parts * machine.small, self.num_bytes / machine.l2), "latency")
