"""Where the model was wrong: its predictions beside measured times.

The times come from a file of records: gesso-bench writes one of kind "op" for each op and one of kind "step", and
`gesso bench --profile --json` one with a profile of the step. Their ops have the names that the launches of step.py
have. bench/gpu_check.sh joins the records of several runs of gesso-bench, and each says of which part it is. Only a
step that the model is about is compared: one of the 26B model with all layers, rounded as the card's default is.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gpu.step_model.assumptions import CARDS, MIDDLE, OPTIMISTIC, PESSIMISTIC, SUSPECTS
from gpu.step_model.prediction import Entry, Prediction
from gpu.step_model.shape import preset_of

Found = TypeVar("Found")
STEP = "step"
# What the model is asked about. It goes through all numbers of rows that an expert may have, which takes seconds for 64
# canvases, and hours for some thousands.
MOST_CANVASES = 64
MOST_CACHED = 1 << 20


@dataclass(frozen=True)
class Measured:
    op: str  # STEP: the step as a whole
    ms: float  # of all calls in a step
    canvases: int
    cached: int
    device: str
    preset: str
    activations: str


def card_of(device: str) -> str:
    """The card in a device's name: "NVIDIA H100 80GB HBM3" is an H100. "H100 PCIe" is none, as it is slower, and
    "NVIDIA H200 MIG 1g.18gb" is a part of a card."""
    for card in CARDS:
        if re.search(rf"\b{card}\b(?! (?:Ti|SUPER|D|Laptop|Max-Q|PCIe|NVL)\b)(?!.* MIG\b)", device):
            return card
    raise ValueError(f"device: expected one of {', '.join(CARDS)}, got {device!r}; --card takes another one for it")


def check_setting(measured: Measured, card: str, preset: str | None) -> None:
    """Refuses what the prediction for a card, and for a preset if the caller names one, is not about."""
    if preset and measured.preset != preset:
        raise ValueError(f"--preset: the weights that were measured are those of {measured.preset}, got {preset}")
    expected = "int8" if CARDS[card]["int8"] else "bf16"
    if measured.activations != expected:
        raise ValueError(f"activations: expected {expected}, the default on {card}, got {measured.activations}")


def read_measured(path: Path, part: str | None = None) -> list[Measured]:
    """part: of the parts of bench/gpu_check.sh. If it is None, the records must all be of one part, or of none."""
    try:
        content = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON: {error}") from error
    if not isinstance(content, list):
        raise ValueError(f"{path}: expected a list of records, got {type(content).__name__}")
    parts = list(dict.fromkeys(filter(None, read_each(path, content, part_of))))
    choice = f"there are {', '.join(parts)}" if parts else "they are of no part"
    if part is None and len(parts) > 1:
        raise ValueError(f"{path}: it has records of several parts; --part takes one: {choice}")

    def read(record: Any) -> list[Measured]:
        return list(measured_in(record)) if part is None or part_of(record) == part else []

    found = [each for some in read_each(path, content, read) for each in some]
    if not found:
        of_part = f" of {part}, {choice}" if part else ""
        raise ValueError(f"{path}: none of its {len(content)} records has the times of ops or of a step{of_part}")
    return found


def read_each(path: Path, records: list[Any], read: Callable[[Any], Found]) -> Iterator[Found]:
    for i, record in enumerate(records):
        try:
            yield read(record)
        except ValueError as error:
            raise ValueError(f"{path}: record {i}: {error}") from error


def part_of(record: Any) -> str:
    """Of a record with times; empty if it is of no part, or has no times."""
    has_times = field(record, "kind", str) in ("op", STEP, "bench")
    return field(record, "part", str) if has_times and "part" in record else ""


def field(record: Any, names: str, *kinds: type) -> Any:
    """A part of a record: "step_ms.median" is the field median of the field step_ms."""
    for name in names.split("."):
        if not isinstance(record, dict) or name not in record:
            raise ValueError(f"expected a field {names}")
        record = record[name]
    if not isinstance(record, kinds) or isinstance(record, bool):
        raise ValueError(f"{names}: expected {' or '.join(kind.__name__ for kind in kinds)}, got {record!r}")
    return record


def positive(record: Any, names: str) -> float:
    number = field(record, names, int, float)
    if not 0 < number <= sys.float_info.max:
        raise ValueError(f"{names}: expected a number above 0, got {number}")
    return float(number)


def size(record: Any, names: str, least: int, most: int) -> int:
    number: int = field(record, names, int)
    if not least <= number <= most:
        raise ValueError(f"{names}: expected {least} to {most}, got {number}")
    return number


def sizes(record: Any, canvases: str, cached: str) -> tuple[int, int]:
    return size(record, canvases, 1, MOST_CANVASES), size(record, cached, 0, MOST_CACHED)


def subject(record: Any, model: Any = None) -> tuple[str, str]:
    """The preset of the weights, and the activations. model: the part of the record that is about the model."""
    layers, num_bytes = (field(model or record, name, int) for name in ("num_layers", "weight_bytes"))
    return preset_of(layers, num_bytes), field(record, "activations", str)


def measured_in(record: Any) -> Iterator[Measured]:
    kind = field(record, "kind", str)
    if kind in ("op", STEP):  # gesso-bench
        calls = positive(record, "calls_per_step") if kind == "op" else 1
        name = field(record, "op", str) if kind == "op" else STEP
        if field(record, "early_starts", str) != "yes":
            raise ValueError("early_starts: the model predicts none without them")
        where = *sizes(record, "canvases", "cached"), field(record, "device", str), *subject(record)
        yield Measured(name, calls * positive(record, "median_ms"), *where)
    elif kind == "bench":
        device, model = field(record, "device.description", str), field(record, "model", dict)
        where = *sizes(record, "batch", "prompt_tokens"), device, *subject(record, model)
        yield Measured(STEP, positive(record, "step_ms.median"), *where)
        for op in field(record, "profile.step", list) if record.get("profile") else []:
            name = field(op, "op", str)
            if op.get("weight") is not None:
                name += " " + field(op, "weight", str)
            yield Measured(name, positive(op, "ms"), *where)


def matches(measured: str, predicted: str) -> bool:
    """Whether a predicted op is the measured one, or a kind of it: "attention sliding" is one of "attention"."""
    return predicted == measured or predicted.startswith(f"{measured} ") or measured.startswith(f"{predicted} ")


def predicted(measured: Measured, prediction: Prediction) -> Entry | None:
    """The prediction of what was measured, added up, or None where the model has no such op."""
    if measured.op == STEP:
        return Entry(STEP, prediction.num_launches, prediction.total_ms)
    total = Entry(measured.op)
    for entry in prediction.ops:
        if matches(measured.op, entry.name):
            total.launches += entry.launches
            total.ms = [a + b for a, b in zip(total.ms, entry.ms, strict=True)]
            total.bounds += entry.bounds
    return total if total.launches else None


def verdict(ms: float, entry: Entry) -> str:
    if entry.ms[OPTIMISTIC] <= ms <= entry.ms[PESSIMISTIC]:
        return "as predicted"
    side = "slower than pessimistic" if ms > entry.ms[PESSIMISTIC] else "faster than optimistic"
    bounds = [name for name, _ in entry.bounds.most_common(2)]
    return "; ".join([side, *(f"{name}: {SUSPECTS[name]}" for name in bounds)])


def comparison(measured: list[Measured], prediction: Prediction) -> Iterator[str]:
    """A line for each measured op, the largest difference from the middle first."""
    yield f"{'op':44s}{'measured':>9s}{'middle':>9s}{'optimistic..pessimistic':>26s}{'ratio':>7s}"
    rows, missing = [], []
    for each in measured:
        entry = predicted(each, prediction)
        if entry:
            rows.append((each, entry))
        else:
            missing.append(each.op)
    for each, entry in sorted(rows, key=lambda row: -abs(row[0].ms - row[1].ms[MIDDLE])):
        interval = f"{entry.ms[OPTIMISTIC]:.3f} .. {entry.ms[PESSIMISTIC]:.3f}"
        ratio = each.ms / entry.ms[MIDDLE]
        yield (
            f"{each.op:44s}{each.ms:9.3f}{entry.ms[MIDDLE]:9.3f}{interval:>26s}{ratio:7.2f}  {verdict(each.ms, entry)}"
        )
    if missing:
        yield f"measured, but not in the model: {', '.join(missing)}"
    found = {entry.name for each in measured for entry in prediction.ops if matches(each.op, entry.name)}
    if unmeasured := [entry.name for entry in prediction.ops if entry.name not in found]:
        yield f"predicted, but not measured: {', '.join(unmeasured)}"
