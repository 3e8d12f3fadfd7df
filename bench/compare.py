"""Shows which times differ between two versions by more than chance.

    python bench/compare.py BEFORE.json... --after AFTER.json... [--percent 5]

Each file is one run of one process: `gesso bench --json`, bench/ops/bench_*.py -o json or bench/peers/run.py. Run both
versions in turns, several times each. The times within a process are alike: it keeps its place in memory, and the
machine its mood. So a process counts as one sample, the median of its times.

A time has changed when two things hold. The medians over the processes differ by more than --percent. And a rank test
(Mann-Whitney, exact, two-sided) says that chance alone would rarely order the processes so: with Holm's correction for
the number of times, equal versions show any change at all in at most one comparison of twenty. Few processes cannot
show that: 20 times need 6 processes of each version.

The exit status is 0, or 1 when something became slower, or 2 when nothing can be said: the results have no time in
common, or there are too few processes.
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import json
import math
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from gesso.cli.parts.command_parser import number_not_below_zero
from gesso.measure.record import MOST_WAITING
from gesso.measure.text import show_ms

Record = Mapping[str, Any]
Key = tuple[tuple[str, Any], ...]
File = Mapping[Key, Record]

MOST_FALSE_ALARMS = 0.05  # the share of comparisons of equal versions that show a change
MOST_PROCESSES = 10  # of each version. More do not make the test better, and its time grows fast

# The fields that make two records the same measurement. A field that a record does not have counts as None.
IDENTITY = (
    *("kind", "device.name", "num_threads", "activations"),
    *("model.name", "model.synthetic", "model.num_layers", "prompt_tokens", "batch", "steps", "canvas_length"),
    *("clients", "rate", "requests", "canvases", "common_tokens"),
    *("op", "case", "types", "rows"),
    *("peer", "runtime", "work", "quant", "layers"),
)


@dataclass(frozen=True)
class Change:
    label: str  # names the record and the time in it
    before: Sequence[float]  # the median of each process
    after: Sequence[float]
    verdict: str = "same"  # "slower", "faster"

    @property
    def medians(self) -> tuple[float, float]:
        return statistics.median(self.before), statistics.median(self.after)

    @property
    def ratio(self) -> float:
        before, after = self.medians
        return after / before if before else math.inf if after else 1.0


def _field(record: Any, path: str) -> Any:
    for key in path.split("."):
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


def identity(record: Record) -> Key:
    return tuple((path, value) for path in IDENTITY if (value := _field(record, path)) is not None)


def times(record: Record) -> Iterator[tuple[str, float]]:
    """The names and medians of the times in a record."""
    for name, value in record.items():
        if isinstance(value, Mapping) and value.keys() >= {"median", "p10", "p90"}:
            yield name, value["median"]


def by_identity(records: Sequence[Record], file: str) -> dict[Key, Record]:
    found: dict[Key, Record] = {}
    for record in records:
        if not isinstance(record, Mapping) or "kind" not in record:
            raise ValueError(f"{file}: expected a list of records")
        key = identity(record)
        if key in found:
            raise ValueError(f"{file}: two records of {label(key)}")
        found[key] = record
    return found


def label(key: Key) -> str:
    """Words that tell a record from the others. Kinds and devices need no explanation; counts are written with their
    names."""
    bare = ("kind", "device.name", "activations", "model.name", "op", "case", "types", "runtime", "work", "quant")
    redundant = ("model.synthetic", "canvas_length")
    words = [str(value) if name in bare else f"{name}={value}" for name, value in key if name not in redundant]
    return " ".join(words)


def samples(files: Sequence[File]) -> dict[str, list[float]]:
    """The times that all files have: label -> the median of each process."""
    found: dict[str, list[float]] = {}
    for file in files:
        for key, record in file.items():
            for name, median in times(record):
                found.setdefault(f"{label(key)}: {name}", []).append(median)
    return {name: values for name, values in found.items() if len(values) == len(files)}


def probability(before: Sequence[float], after: Sequence[float]) -> float:
    """How probable it is that chance alone puts the ranks of `after` at least so far from the middle: the two-sided
    Mann-Whitney test. Every choice of places for `after` counts, so the test is exact, with ties too."""
    values = sorted([*before, *after])
    counts = Counter(values)
    ranks = {value: 2 * values.index(value) + counts[value] for value in counts}  # equal values share their mean rank
    ordered = tuple(ranks[value] for value in values)
    distances = _distances(ordered, len(after))
    distance = _distance(ordered, [ranks[value] for value in after])
    return 1 - bisect.bisect_left(distances, distance) / len(distances)


@cache
def _distances(ranks: tuple[int, ...], num_chosen: int) -> list[int]:
    return sorted(_distance(ranks, chosen) for chosen in itertools.combinations(ranks, num_chosen))


def _distance(ranks: Sequence[int], chosen: Sequence[int]) -> int:
    """How far the sum of the chosen ranks is from what chance gives in the mean, times the number of ranks."""
    return abs(len(ranks) * sum(chosen) - len(chosen) * sum(ranks))


def judge(changes: Sequence[Change], percent: float) -> list[Change]:
    """Gives each change its verdict, the largest changes first.

    Holm's correction: with m times, the least probability must be at most 0.05 / m, the next one at most 0.05 / (m - 1)
    and so on, until one is larger.
    """
    probabilities = sorted((probability(change.before, change.after), i) for i, change in enumerate(changes))
    real: set[int] = set()
    for place, (p, i) in enumerate(probabilities):
        if p > MOST_FALSE_ALARMS / (len(changes) - place):
            break
        real.add(i)
    limit = 1 + percent / 100
    judged = []
    for i, change in enumerate(changes):
        before, after = change.medians
        if i in real and after > before * limit:
            change = replace(change, verdict="slower")
        elif i in real and before > after * limit:
            change = replace(change, verdict="faster")
        judged.append(change)
    return sorted(judged, key=lambda change: (-abs(math.log(change.ratio or math.inf)), change.label))


def processes_needed(num_times: int) -> int:
    """How many processes of each version can show a change of one among so many times."""
    return next(n for n in itertools.count(2) if 2 / math.comb(2 * n, n) <= MOST_FALSE_ALARMS / num_times)


def read_records(file: str) -> File:
    try:
        records = json.loads(Path(file).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: expected JSON: {error}") from None
    if not isinstance(records, list):
        raise ValueError(f"{file}: expected a list of records")
    return by_identity(records, file)


def machines(files: Sequence[File]) -> set[str]:
    return {str(_field(record, "machine.cpu")) for file in files for record in file.values()}


def disturbed(files: Sequence[File]) -> Iterator[str]:
    """The records whose threads had to wait for a processor. Their times are too long."""
    for file in files:
        for key, record in file.items():
            if (record.get("waiting_share") or 0) > MOST_WAITING:
                yield f"{label(key)}: threads waited for a processor {record['waiting_share']:.0%} of the time"


def report(before: Sequence[File], after: Sequence[File], percent: float, show_all: bool) -> int:
    """Prints which times changed. Returns the exit status."""
    old, new = samples(before), samples(after)
    changes = judge([Change(name, old[name], new[name]) for name in old.keys() & new.keys()], percent)
    if not changes:
        print("the files have no measurement in common")
        return 2
    if machines(before) != machines(after):
        print(f"different machines: {', '.join(sorted(machines(before)))} and {', '.join(sorted(machines(after)))}")
    for word, files in (("before", before), ("after", after)):
        for line in disturbed(files):
            print(f"{word:6}  {line}")
    for change in changes:
        if show_all or change.verdict != "same":
            medians = " -> ".join(map(_show(change.label), change.medians))
            print(f"{change.verdict:6}  x {change.ratio:.3f}  {medians:>22}  {change.label}")
    for word, here, there in (("gone", old, new), ("new", new, old)):
        for name in sorted(here.keys() - there.keys()):
            print(f"{word:6}  {name}")
    needed = processes_needed(len(changes))
    if min(len(before), len(after)) < needed:
        print(
            f"no verdict: {len(changes)} times need {needed} processes of each version,"
            f" got {len(before)} and {len(after)}"
        )
        return 2
    counts = {word: sum(change.verdict == word for change in changes) for word in ("slower", "faster", "same")}
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    return 1 if counts["slower"] else 0


def _show(name: str) -> Any:
    """How the values of this name are written: most are times in milliseconds, the others are ratios."""
    return show_ms if name.endswith("ms") else "{:.4g}".format


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("before", metavar="BEFORE.json", nargs="+", help="one file for each process")
    parser.add_argument("--after", metavar="AFTER.json", nargs="+", required=True, help="one file for each process")
    parser.add_argument(
        "--percent", type=number_not_below_zero, default=5, metavar="N", help="smaller changes are none; default: 5"
    )
    parser.add_argument("--all", action="store_true", help="print what did not move, too")
    options = parser.parse_args(arguments)
    for name in ("before", "after"):
        if len(getattr(options, name)) > MOST_PROCESSES:
            parser.error(f"{name}: expected at most {MOST_PROCESSES} files, got {len(getattr(options, name))}")
    try:
        before, after = ([read_records(file) for file in files] for files in (options.before, options.after))
        return report(before, after, options.percent, options.all)
    except (OSError, ValueError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
