"""Times single ops with the model's own shapes. The scripts bench/ops/bench_<op>.py say which shapes.

    python bench/ops/bench_linear.py [-o json] [--rows 1,256] [--types Q4_K,Q8_0] [--activations f32,int8] [--threads 2]

Times are taken inside the library, so they do not contain the cost of a call from Python. The variants of a case are
its types and activations. They take turns, so that a disturbance meets all of them, and a ratio is taken within each
turn. Weights come in several copies, which take turns too: a real step does not find its weights in a cache. Rows of
activations do stay in caches. So an op without weights can be faster than its floor, which counts memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gesso import _ops
from gesso.cli.parts.command_parser import integer, list_of, number_not_below_zero, thread_count
from gesso.files.tensor import stored_bytes, tensor_types
from gesso.measure.bench import WaitingShare
from gesso.measure.floor import Ceilings, measure_ceilings, op_floor
from gesso.measure.record import busy_notes, make_origin, spread
from gesso.measure.text import show_ms
from gesso.synth.tensors import synth_tensors

CACHES_BYTES = 128 << 20  # more than the caches that a core can reach
MOST_COPIES = 128
LEAST_TURNS, MOST_TURNS = 5, 200
ACTIVATIONS = ["f32", "int8"]
Call = Callable[[int], Any]  # called with num_threads
Stored = tuple[str, list[int], np.ndarray]  # a weight as gesso._ops takes it


@dataclass(frozen=True)
class Case:
    """One shape of an op. make(type, rows) returns the call to be timed. `types` are the types that models have for the
    weight, or only "" where the op has no weight."""

    op: str
    name: str
    types: tuple[str, ...]
    make: Callable[[str, int], Call]


@dataclass(frozen=True)
class Variant:
    types: str
    activations: str
    call: Call


def rows_of(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """Gaussian values, float32 [rows, columns]."""
    return np.random.default_rng(seed).standard_normal((rows, columns), np.float32)


def make_stored(name: str, dtype: str, shape: tuple[int, ...]) -> Stored:
    """A weight with this name in GGUF, filled as `gesso synth` fills it."""
    tensor = synth_tensors({name: shape}, {name: dtype}, rotated_pairs=0, seed=0)[0]
    if hasattr(tensor, "make_chunks"):
        data = np.concatenate([chunk.copy() for chunk in tensor.make_chunks()])
    else:
        data = np.ascontiguousarray(tensor.data).view(np.uint8).reshape(-1)
    return dtype, list(shape), data


def copies(name: str, dtype: str, shape: tuple[int, ...]) -> Iterator[Stored]:
    """Endless: the same weight from several copies in turn."""
    count = min(MOST_COPIES, -(-CACHES_BYTES // stored_bytes(dtype, shape)))
    _, extents, data = make_stored(name, dtype, shape)
    return itertools.cycle([(dtype, extents, data.copy()) for _ in range(count)])


def random_routing(tokens: int, experts: int, active: int, num_threads: int = 1) -> Any:
    """The best experts of each token, by Gaussian scores."""
    scale = make_stored("blk.0.ffn_norm.weight", "F32", (experts,))
    return _ops.route(rows_of(tokens, experts, seed=2), scale, active, num_threads=num_threads)


def run(call: Call, op: str, activations: str, num_threads: int) -> dict[str, Any]:
    """The entry of `op` in the profile of one call."""
    _ops.use_device("cpu", activations)
    _ops.set_profiling(True)
    call(num_threads)
    entries = [entry for entry in _ops.take_profile() if entry["op"] == op]
    _ops.set_profiling(False)
    if len(entries) != 1:
        raise RuntimeError(f"expected one entry of {op} in the profile, got {len(entries)}")
    return entries[0]


def take_turns(variants: Sequence[Variant], op: str, num_threads: int, seconds: float) -> list[list[dict[str, Any]]]:
    """Profile entries [variant][turn]. The first turn warms up and is not among them."""
    found: list[list[dict[str, Any]]] = [[] for _ in variants]
    start, turns = time.perf_counter(), -1
    while turns < LEAST_TURNS or (turns < MOST_TURNS and time.perf_counter() - start < seconds * len(variants)):
        for entries, variant in zip(found, variants, strict=True):
            entries.append(run(variant.call, op, variant.activations, num_threads))
        if turns < 0:
            found = [[] for _ in variants]
        turns += 1
    return found


def baseline_of(variant: Variant, variants: Sequence[Variant], baseline: str) -> int | None:
    """The index of the variant that has `baseline` as its type or activations, and otherwise equals this one."""
    wanted = [(variant.types, baseline), (baseline, variant.activations)]
    found = [i for i, other in enumerate(variants) if (other.types, other.activations) in wanted]
    return found[0] if found else None


def describe(entries: Sequence[dict[str, Any]], ceilings: Ceilings) -> dict[str, Any]:
    """Time, work, floor and rates of one variant."""
    ms = spread([entry["ms"] for entry in entries])
    work = {key: value for key, value in entries[0].items() if key not in ("op", "ms")}
    floor = op_floor(work | {"ms": ms["median"]}, ceilings)
    seconds = ms["median"] / 1000
    rates = {
        "bytes_per_s": (work["stored_bytes"] + work["activation_bytes"]) / seconds,
        "operations_per_s": (work["float_operations"] + work["int8_operations"]) / seconds,
    }
    return {"ms": ms} | work | floor | rates


def ratio(entries: Sequence[dict[str, Any]], base: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The ratio of the times within each turn."""
    return spread([x["ms"] / y["ms"] for x, y in zip(entries, base, strict=True)])


def records_of(
    variants: Sequence[Variant], found: Sequence[Sequence[dict[str, Any]]], baseline: str, ceilings: Ceilings
) -> Iterator[dict[str, Any]]:
    """One record for each variant."""
    for variant, entries in zip(variants, found, strict=True):
        base = baseline_of(variant, variants, baseline)
        compared = {} if base is None else {"baseline": baseline, "ratio": ratio(entries, found[base])}
        identity = {"types": variant.types, "activations": variant.activations}
        yield identity | describe(entries, ceilings) | {"baseline": None, "ratio": None} | compared


def commit() -> str | None:
    """The commit of the repository that this file is in, with "+" behind it when files were changed."""
    folder = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
        changes = subprocess.run(
            ["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "")


def origin(kind: str) -> dict[str, Any]:
    """The fields that all records of a run share."""
    command = ["python", *sys.argv]
    return make_origin({}, command, kind) | {"commit": commit(), "device": {"name": "cpu"}}


COLUMNS = (
    "case",
    "types",
    "activations",
    "rows",
    "threads",
    "time",
    "p10",
    "p90",
    "GB/s",
    "GOP/s",
    "bound",
    "of floor",
    "ratio",
)


def to_markdown(records: Sequence[dict[str, Any]]) -> str:
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    for r in records:
        ms = r["ms"]
        times = [show_ms(ms[key]) for key in ("median", "p10", "p90")]
        rates = [f"{r['bytes_per_s'] / 1e9:.1f}", f"{r['operations_per_s'] / 1e9:.0f}"]
        share = f"{100 * r['share_of_floor']:.0f} %"
        ratio = f"{r['ratio']['median']:.3f} x {r['baseline']}" if r["ratio"] else ""
        first = (r["case"], r["types"], r["activations"], r["rows"], r["num_threads"])
        lines.append((*map(str, first), *times, *rates, r["bound"] or "", share, ratio))
    notes = [f"Note: {note}." for note in dict.fromkeys(note for record in records for note in record["notes"])]
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + notes)


def show_ceilings(ceilings: Ceilings) -> str:
    shown = []
    for entry in ceilings.records():
        rate = f"{(entry['bytes_per_s'] or entry['operations_per_s']) / 1e9:.1f}"
        unit = "GB/s" if entry["bytes_per_s"] else "GOP/s"
        shown.append(f"{entry['name']} {entry['instruction_set'] or ''} {rate} {unit}".replace("  ", " "))
    return "ceilings: " + ", ".join(shown)


def words_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Known words with commas between them."""

    def convert(text: str) -> list[str]:
        words = text.split(",")
        unknown = [word for word in words if word not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(known)}, got {unknown[0]!r}")
        return words

    return convert


def parse(cases: Sequence[Case], rows: Sequence[int], arguments: Sequence[str] | None) -> argparse.Namespace:
    numbers = list_of(integer(1))
    names = [case.name for case in cases]
    readable = [name for name, dtype in tensor_types().items() if dtype.can_read]
    parser = argparse.ArgumentParser(
        description=f"Times {cases[0].op} with the shapes of the 26B-A4B model.", allow_abbrev=False
    )
    parser.add_argument("-o", dest="format", choices=("md", "json"), default="md")
    parser.add_argument("--cases", type=words_of(names), help=f"default: all of {', '.join(names)}")
    parser.add_argument("--rows", type=numbers, default=list(rows), metavar="N,..", help=f"default: {rows}")
    parser.add_argument(
        "--types", type=words_of(readable), metavar="T,..", help="of weights; default: those that models have there"
    )
    parser.add_argument("--activations", type=words_of(ACTIVATIONS), help="default: f32,int8")
    parser.add_argument("--threads", type=list_of(thread_count), default=[1], metavar="N,..", help="default: 1")
    parser.add_argument("--baseline", help="a type or activations; ratios are to its times; default: f32")
    parser.add_argument(
        "--seconds", type=number_not_below_zero, default=1.0, help="about so long for each variant; default: 1"
    )
    options = parser.parse_args(arguments)
    check_use(parser, options, [case for case in cases if not options.cases or case.name in options.cases])
    options.activations = options.activations or ACTIVATIONS
    options.baseline = options.baseline or "f32"
    return options


def check_use(parser: argparse.ArgumentParser, options: argparse.Namespace, cases: Sequence[Case]) -> None:
    """Ends the program if an option would have no effect on any of the cases."""
    types = {dtype for case in cases for dtype in (options.types or case.types) if has_weight(case)}
    if not types:
        for name in ("types", "activations"):
            if getattr(options, name):
                parser.error(f"--{name}: expected none, since {cases[0].op} has no weight here")
    measured = [*sorted(types), *(options.activations or ACTIVATIONS)] if types else ["f32"]
    if options.baseline and options.baseline not in measured:
        parser.error(f"--baseline: expected one of {', '.join(measured)}, got {options.baseline!r}")


def has_weight(case: Case) -> bool:
    return case.types != ("",)


def measure(options: argparse.Namespace, cases: Sequence[Case]) -> Iterator[dict[str, Any]]:
    stamp = origin("op")
    for num_threads in options.threads:
        ceilings = measure_ceilings(num_threads)
        print(f"{num_threads} threads, {show_ceilings(ceilings)}", file=sys.stderr)
        for case, rows in itertools.product(cases, options.rows):
            if options.cases and case.name not in options.cases:
                continue
            types = options.types if options.types and has_weight(case) else case.types
            activations = options.activations if has_weight(case) else ["f32"]
            calls = {dtype: case.make(dtype, rows) for dtype in types}
            variants = [Variant(*pair, calls[pair[0]]) for pair in itertools.product(calls, activations)]
            with WaitingShare(num_threads) as waiting:
                found = take_turns(variants, case.op, num_threads, options.seconds)
            identity = stamp | {"op": case.op, "case": case.name, "rows": rows, "num_threads": num_threads}
            identity |= {"waiting_share": waiting.share, "notes": busy_notes(waiting.share)}
            for record in records_of(variants, found, options.baseline, ceilings):
                yield identity | record


def main(
    cases: Sequence[Case], rows: Sequence[int] = (1, 16, 256, 2048), arguments: Sequence[str] | None = None
) -> None:
    """The command that each script of bench/ops runs."""
    options = parse(cases, rows, arguments)
    records = list(measure(options, cases))
    print(to_markdown(records) if options.format == "md" else json.dumps(records, indent=1))
