"""Shows which times differ between two results by more than the noise.

    python bench/compare.py BEFORE.json AFTER.json [--percent 5]

The results come from `gesso bench -o json`, bench/ops/bench_*.py -o json or bench/peers/run.py. Two records belong
together when they measured the same thing in the same way. A time has changed when two things hold: its medians differ
by more than --percent, and its ranges from the 10th to the 90th percentile do not overlap. The exit status is 0, or 1
when something became slower, or 2 when the results have no measurement in common.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesso.measure.record import MOST_WAITING

Record = Mapping[str, Any]

# The fields that make two records the same measurement. A field that a record does not have counts as None.
IDENTITY = (
    *("kind", "device.name", "num_threads", "activations"),
    *("model.name", "model.synthetic", "model.num_layers", "prompt_tokens", "batch", "steps", "canvas_length"),
    *("op", "case", "types", "rows"),
    *("peer", "runtime", "work", "quant", "layers"),
)


@dataclass(frozen=True)
class Change:
    label: str  # names the record and the time in it
    before: Record  # median, p10, p90
    after: Record
    verdict: str  # "slower", "faster", "same"

    @property
    def ratio(self) -> float:
        return self.after["median"] / self.before["median"]


def _field(record: Any, path: str) -> Any:
    for key in path.split("."):
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


def identity(record: Record) -> tuple[tuple[str, Any], ...]:
    return tuple((path, value) for path in IDENTITY if (value := _field(record, path)) is not None)


def spreads(record: Record) -> Iterator[tuple[str, Record]]:
    """The names and values of the times in a record."""
    for name, value in record.items():
        if isinstance(value, Mapping) and value.keys() >= {"median", "p10", "p90"}:
            yield name, value


def verdict(before: Record, after: Record, percent: float) -> str:
    if after["p10"] > before["p90"] and after["median"] > before["median"] * (1 + percent / 100):
        return "slower"
    if after["p90"] < before["p10"] and before["median"] > after["median"] * (1 + percent / 100):
        return "faster"
    return "same"


def by_identity(records: Sequence[Record], file: str) -> dict[tuple, Record]:
    found: dict[tuple, Record] = {}
    for record in records:
        if not isinstance(record, Mapping) or "kind" not in record:
            raise ValueError(f"{file}: expected a list of records")
        key = identity(record)
        if key in found:
            raise ValueError(f"{file}: two records of {label(key)}")
        found[key] = record
    return found


def label(key: tuple[tuple[str, Any], ...]) -> str:
    """Words that tell a record from the others. Kinds and devices need no explanation; counts are written with their
    names."""
    bare = ("kind", "device.name", "activations", "model.name", "op", "case", "types", "runtime", "work", "quant")
    redundant = ("model.synthetic", "canvas_length")
    words = [str(value) if name in bare else f"{name}={value}" for name, value in key if name not in redundant]
    return " ".join(words)


def compare(before: dict[tuple, Record], after: dict[tuple, Record], percent: float) -> list[Change]:
    changes = []
    for key in before.keys() & after.keys():
        others = dict(spreads(after[key]))
        for name, spread in spreads(before[key]):
            if name in others:
                found = verdict(spread, others[name], percent)
                changes.append(Change(f"{label(key)}: {name}", spread, others[name], found))
    return sorted(changes, key=lambda change: (-abs(change.ratio - 1), change.label))


def read_records(file: str) -> dict[tuple, Record]:
    records = json.loads(Path(file).read_text())
    if not isinstance(records, list):
        raise ValueError(f"{file}: expected a list of records")
    return by_identity(records, file)


def machines(records: Mapping[tuple, Record]) -> set[str]:
    return {str(_field(record, "machine.cpu")) for record in records.values()}


def disturbed(records: Mapping[tuple, Record]) -> Iterator[str]:
    """The records whose threads had to wait for a processor. Their times are too long."""
    for key, record in records.items():
        if (record.get("waiting_share") or 0) > MOST_WAITING:
            yield f"{label(key)}: threads waited for a processor {record['waiting_share']:.0%} of the time"


def report(before: dict[tuple, Record], after: dict[tuple, Record], percent: float, show_all: bool) -> int:
    """Prints which times changed. Returns the exit status."""
    changes = compare(before, after, percent)
    if not changes:
        print("the files have no measurement in common")
        return 2
    if machines(before) != machines(after):
        print(f"different machines: {', '.join(sorted(machines(before)))} and {', '.join(sorted(machines(after)))}")
    for word, records in (("before", before), ("after", after)):
        for line in disturbed(records):
            print(f"{word:6}  {line}")
    for change in changes:
        if show_all or change.verdict != "same":
            times = f"{change.before['median']:.4g} -> {change.after['median']:.4g}"
            print(f"{change.verdict:6}  x {change.ratio:.3f}  {times:>22}  {change.label}")
    for word, here, there in (("gone", before, after), ("new", after, before)):
        for key in sorted(map(label, here.keys() - there.keys())):
            print(f"{word:6}  {key}")
    counts = {word: sum(change.verdict == word for change in changes) for word in ("slower", "faster", "same")}
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    return 1 if counts["slower"] else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", metavar="BEFORE.json")
    parser.add_argument("after", metavar="AFTER.json")
    parser.add_argument("--percent", type=float, default=5, metavar="N", help="smaller changes are none; default: 5")
    parser.add_argument("--all", action="store_true", help="print what did not move, too")
    options = parser.parse_args(arguments)
    try:
        return report(read_records(options.before), read_records(options.after), options.percent, options.all)
    except (OSError, ValueError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
