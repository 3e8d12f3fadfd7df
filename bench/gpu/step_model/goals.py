"""The figures that the design of the GPU step is held against, each with what the model and the machine code say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gpu.step_model.assumptions import CARDS, MIDDLE
from gpu.step_model.machine import machine
from gpu.step_model.prediction import predict
from gpu.step_model.products import ExpertProduct, Product
from gpu.step_model.step import launches

STEP_MS = {  # by card and canvases, the middle estimate with Q4_K_M behind 1024 tokens
    ("H200", 1): 11.5,
    ("H100", 1): 12,
    ("RTX 5090", 1): 20,
    ("RTX 4090", 1): 28,
    ("RTX 3090", 1): 48,
    ("GB10", 1): 90,
    ("H200", 8): 70,
}
MOST_LAUNCHES = 550
SCALE_STORES = 0.5
EXPERT_SLOTS = 150  # issue slots of a scheduler for a step of 64 x 64 Q4_K weights, on Hopper
WIDE_WARPS = 8  # resident on a multiprocessor of a card with 99 KB of shared memory


@dataclass(frozen=True)
class Goal:
    text: str
    value: float
    limit: float
    is_upper: bool = True

    @property
    def holds(self) -> bool:
        return self.value <= self.limit if self.is_upper else self.value >= self.limit

    def __str__(self) -> str:
        sign = "<=" if self.is_upper else ">="
        return f"{'holds  ' if self.holds else 'NOT YET'}  {self.text}: {self.value:.4g}, wanted {sign} {self.limit:g}"


def step_goals() -> Iterator[Goal]:
    for (card, canvases), limit in STEP_MS.items():
        prediction = predict(card, canvases=canvases)
        yield Goal(f"{card}, {canvases} x 256 rows: ms of a step", prediction.total_ms[MIDDLE], limit)
        if canvases == 1:
            yield Goal(f"{card}: launches of a step", prediction.num_launches, MOST_LAUNCHES)


def expert_goals() -> Iterator[Goal]:
    on = machine("H200", MIDDLE)
    products = [x for x in launches("H200", "Q4_K_M") if isinstance(x, ExpertProduct) and x.matrix.dtype == "Q4_K"]
    work, kernel = products[0].work(on), products[0].kernel
    slots = work.cycles(on, products[0].warps)["issue"] * 64 / kernel.weight_rows
    yield Goal("Hopper's expert loop: issue slots of a step of 64 x 64 Q4_K weights", slots, EXPERT_SLOTS)
    # Scales are stored once for a span of four steps. Decoded weights would take eight stores a step.
    yield Goal("Hopper's expert loop: stores to shared memory of a warp and step", work.stores, SCALE_STORES)


def occupancy_goals() -> Iterator[Goal]:
    """Wide tiles: the products that are no experts'. A grid that is too small for more warps counts as one that has
    them."""
    for card, properties in CARDS.items():
        if properties["smem_kb"] > 99:
            continue
        on = machine(card, MIDDLE)
        wide = {x for x in launches(card, "Q4_K_M") if isinstance(x, Product) and not isinstance(x, ExpertProduct)}
        fewest = min(x.occupancy(on).blocks * x.warps for x in wide)
        yield Goal(f"{card}: warps of wide tiles that a multiprocessor holds", fewest, WIDE_WARPS, is_upper=False)


def goals() -> Iterator[Goal]:
    yield from step_goals()
    yield from expert_goals()
    yield from occupancy_goals()
