"""What a step takes on a card: its launches, timed under each set of assumptions and added up by line and by op."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from gpu.step_model.assumptions import LEVELS, MIDDLE
from gpu.step_model.bounds import Occupancy, Time
from gpu.step_model.launch import Launch
from gpu.step_model.machine import Machine, machine
from gpu.step_model.step import launches

GAPS = "launch gaps"


@dataclass
class Entry:
    """Some launches together: a line of the table, or an op."""

    name: str
    launches: int = 0
    ms: list[float] = field(default_factory=lambda: [0.0] * len(LEVELS))
    floor_ms: float = 0.0
    bounds: Counter[str] = field(default_factory=Counter)  # ms of the middle assumptions, by what bounds them
    occupancies: set[Occupancy] = field(default_factory=set)

    @property
    def bound(self) -> str:
        """What bounds most of the time, and what comes next: "smem/latency"."""
        return "/".join(name for name, _ in self.bounds.most_common(2))

    @property
    def occupancy(self) -> str:
        """Blocks and warps of a multiprocessor, the fewest first: "1-2 x 4-8"."""
        blocks, warps = ({getattr(each, name) for each in self.occupancies} for name in ("blocks", "warps"))
        return f"{_span(blocks)} / {_span(warps)}" if self.occupancies else ""


def _span(values: Iterable[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}-{high}"


@dataclass
class Prediction:
    card: str
    preset: str
    canvases: int
    cached: int
    lines: list[Entry]  # of the table, without the gaps between launches
    ops: list[Entry]  # each with the gaps before its launches
    gaps: Entry

    @property
    def num_launches(self) -> int:
        return self.gaps.launches

    @property
    def total_ms(self) -> list[float]:
        return [sum(entry.ms[level] for entry in (*self.lines, self.gaps)) for level in range(len(LEVELS))]

    def line(self, name: str) -> Entry:
        return next(entry for entry in self.lines if entry.name == name)


@cache
def time_of(launch: Launch, on: Machine) -> Time:
    return launch.time(on)


@cache
def facts_of(launch: Launch, on: Machine) -> tuple[float, Occupancy | None]:
    return launch.floor(on), launch.occupancy(on)


def add(entry: Entry, launch: Launch, machines: list[Machine]) -> None:
    entry.launches += 1
    for level, on in enumerate(machines):
        time = time_of(launch, on)
        entry.ms[level] += 1e3 * time.seconds
        if level == MIDDLE:
            entry.bounds[time.bound] += 1e3 * time.seconds
    floor, occupancy = facts_of(launch, machines[MIDDLE])
    entry.floor_ms += 1e3 * floor
    entry.occupancies |= {occupancy} if occupancy else set()


def predict(card: str, preset: str = "Q4_K_M", canvases: int = 1, cached: int = 1024) -> Prediction:
    machines = [machine(card, level) for level in range(len(LEVELS))]
    lines: dict[str, Entry] = defaultdict(lambda: Entry(""))
    ops: dict[str, Entry] = defaultdict(lambda: Entry(""))
    gaps = Entry(GAPS)
    for launch in launches(card, preset, canvases, cached):
        for entries, name in ((lines, launch.group), (ops, launch.op)):
            entries[name].name = name
            add(entries[name], launch, machines)
        for entry in (gaps, ops[launch.op]):
            add_gap(entry, launch, machines)
        gaps.launches += 1
    return Prediction(card, preset, canvases, cached, list(lines.values()), list(ops.values()), gaps)


def add_gap(entry: Entry, launch: Launch, machines: list[Machine]) -> None:
    for level, on in enumerate(machines):
        entry.ms[level] += 1e3 * launch.gap(on)
    entry.bounds["launch"] += 1e3 * launch.gap(machines[MIDDLE])
