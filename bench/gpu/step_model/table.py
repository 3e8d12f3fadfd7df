"""The tables that the program prints."""

from __future__ import annotations

from collections.abc import Iterator

from gpu.step_model.assumptions import DATA_SHEET_FLOORS, LEVELS, MIDDLE, OPTIMISTIC, PESSIMISTIC
from gpu.step_model.prediction import Entry, Prediction


def three(ms: list[float], digits: int = 1) -> str:
    """Optimistic / middle / pessimistic."""
    return " / ".join(f"{value:.{digits}f}" for value in ms)


def entry_line(entry: Entry) -> str:
    spread = f"{entry.ms[OPTIMISTIC]:7.2f} ..{entry.ms[PESSIMISTIC]:7.2f}"
    floor = f"{entry.floor_ms:6.2f} {entry.floor_ms / entry.ms[MIDDLE]:5.0%}" if entry.floor_ms else ""
    return (
        f"  {entry.name:24s}{entry.launches:6d}{entry.ms[MIDDLE]:8.2f}  {spread}  {floor:13s}{entry.occupancy:>12s}"
        f"  {entry.bound}"
    ).rstrip()


def step_table(prediction: Prediction) -> Iterator[str]:
    p = prediction
    yield f"{p.card}  {p.preset}  {p.canvases} x 256 rows, {p.cached} cached tokens each, {p.num_launches} launches"
    yield (
        f"  {'kernels':24s}{'calls':>6s}{'ms':>8s}  {'optimistic..pessimistic':>17s}  {'floor':>6s} share"
        f"{'blocks/warps':>14s}  bound by"
    )
    entries = sorted([*p.lines, p.gaps], key=lambda entry: -entry.ms[MIDDLE])
    yield from map(entry_line, entries)
    total = Entry("total", p.num_launches, p.total_ms, sum(entry.floor_ms for entry in p.lines))
    yield entry_line(total)
    if (p.preset, p.canvases, p.cached) == ("Q4_K_M", 1, 1024):
        bf16, int8 = DATA_SHEET_FLOORS[p.card]
        yield f"  the data sheet's floor: {bf16} ms with 16-bit products, {int8} with int8"


def overview(predictions: list[Prediction]) -> Iterator[str]:
    """One line for each card."""
    yield f"{'':10s}{'':8s}canvases  {' / '.join(LEVELS)}, ms of a step   launches"
    for p in predictions:
        yield f"{p.card:10s}{p.preset:8s}{p.canvases:8d}  {three(p.total_ms):>36s}   {p.num_launches:8d}"


def records(prediction: Prediction) -> list[dict[str, object]]:
    """The same as flat records, by op: what a benchmark's records can be laid beside."""
    origin = {
        "card": prediction.card,
        "preset": prediction.preset,
        "canvases": prediction.canvases,
        "cached": prediction.cached,
    }
    total = Entry("step", prediction.num_launches, prediction.total_ms)
    return [
        {
            "kind": "prediction",
            "op": entry.name,
            "launches": entry.launches,
            **{f"{level}_ms": ms for level, ms in zip(LEVELS, entry.ms, strict=True)},
            "bound": entry.bound,
            **origin,
        }
        for entry in [*prediction.ops, total]
    ]
