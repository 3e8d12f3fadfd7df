"""A card under one set of assumptions: every number of assumptions.py that is uncertain is picked at one level."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from gpu.step_model.assumptions import CARDS, COMMON


@dataclass(frozen=True)
class Machine:
    card: str
    arch: str
    sms: int
    ghz: float
    bw: float
    eff: float
    l2: float
    hmma: float
    imma: float
    omma: float
    wgmma: float
    alu: float
    smem_kb: int
    regs: int
    int8: bool
    gap_us: float
    early_gap_us: float
    small_us: float
    p_norm: float
    p_memory: float
    serial_share: float
    fill: float
    step_latency: float
    prologue_issue: float
    group_latency: float
    wgmma_prologue: float
    attention_latency: float
    attention_fill: float
    soft_fill: float
    stats_executed: float

    @property
    def hz(self) -> float:
        return 1e9 * self.ghz

    @property
    def memory_rate(self) -> float:
        """Bytes per second that memory delivers."""
        return self.bw * self.eff

    @property
    def small(self) -> float:
        """Seconds of the shortest row-wise kernel."""
        return 1e-6 * self.small_us

    @property
    def bf16_rate(self) -> float:
        """Operations per second of the data sheet's 16-bit products. A product of m16n8k16 is 2048 of two each."""
        each_cycle = 2048 if self.arch == "sm_90" else 4 * 2048 / self.hmma
        return 2 * each_cycle * self.sms * self.hz

    @property
    def int8_rate(self) -> float:
        return 2 * (4096 if self.arch == "sm_90" else 1024) * self.sms * self.hz


@cache
def machine(card: str, level: int) -> Machine:
    def pick(value: Any) -> Any:
        return value[level] if isinstance(value, tuple) else value

    return Machine(card=card, **{name: pick(value) for name, value in (CARDS[card] | COMMON).items()})
