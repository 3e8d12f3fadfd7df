"""Checks and measures the CUDA backend on this machine's GPU within one call: see docs/gpu_check.md.

bench/gpu_check.sh [--rest] [--rehearse] [--seconds 530] [--parts NAME,...]
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpu_check.parts import PARTS, Part
from gpu_check.results import Results
from gpu_check.runner import PASSED, STUB, Outcome, run
from gpu_check.setting import ROOT, Setting

SECONDS_OF_CALL = 530  # nine minutes, with some time to start and to end


def main(arguments: Sequence[str] | None = None, parts: list[Part] = PARTS) -> int:
    options = parse(arguments)
    archive = ROOT / "build" / ("gpu-rehearsal" if options.rehearse else "gpu-kit") / "kit.tar.xz"
    work = ROOT / "build" / ("gpu-rehearsal" if options.rehearse else "gpu-check") / "work"
    setting = Setting(options.kit or archive, options.work or work, options.rehearse)
    for folder in (setting.work, options.out):
        make_folder(folder)
    results = Results(options.out, setting, parts)
    earlier = options.results or options.out
    is_there = (options.out / "check.json").exists()
    if options.rest or options.results or (options.parts and is_there):
        results.read(earlier)
    if is_there and not (continues(options) and earlier.samefile(options.out)):
        sys.exit(
            f"{options.out}: has results of an earlier call, which would be lost. --rest continues that call, --parts"
            " repeats some of it, --out names another folder"
        )
    return run_all(choose(parts, results, options), results, options)


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"{folder}: expected a folder, or a place for one: {error.strerror}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/gpu_check.sh", description=(__doc__ or "").splitlines()[0])
    add, out = parser.add_argument, Path(os.environ.get("OUT") or ROOT / "bench/results/gpu")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--rest", action="store_true", help="run what an earlier call has not run, or has not finished")
    which.add_argument("--parts", type=names, metavar="NAME,...", help="run only these, again or for the first time")
    add("--rehearse", action="store_true", help="without a card: the same parts in small, emulated")
    add("--seconds", type=seconds, default=SECONDS_OF_CALL, help="begin no part that could end later than this")
    add("--out", type=Path, default=out, metavar="FOLDER", help="for the results; default: $OUT or bench/results/gpu")
    add("--results", type=Path, metavar="FOLDER", help="of the earlier call; default: that of --out")
    add("--kit", type=Path, metavar="FILE", help="default: what `make gpu-kit` or `make gpu-rehearse` has packed")
    add("--work", type=Path, metavar="FOLDER", help="where the kit is unpacked")
    options = parser.parse_args(arguments)
    if options.results and not continues(options):
        parser.error("--results: expected --rest or --parts beside it, since a first call takes nothing over")
    return options


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


def names(text: str) -> list[str]:
    found = text.split(",")
    if not all(found):
        raise argparse.ArgumentTypeError(f"expected names with commas between them, got {text!r}")
    return found


def continues(options: argparse.Namespace) -> bool:
    """Whether the results of an earlier call stay, with some more."""
    return options.rest or options.parts is not None


def choose(parts: list[Part], results: Results, options: argparse.Namespace) -> list[Part]:
    """The parts of this call. Each call unpacks the kit. With --rest, what an earlier call had to end comes last."""
    first, *others = parts
    if options.parts:
        if unknown := set(options.parts) - {part.name for part in parts}:
            sys.exit(f"unknown part {', '.join(sorted(unknown))}; there are: {' '.join(part.name for part in parts)}")
        others = [part for part in others if part.name in options.parts]
    elif options.rest:
        others = sorted((part for part in others if not results.is_done(part)), key=results.was_ended)
    return [first, *others]


def run_all(chosen: list[Part], results: Results, options: argparse.Namespace) -> int:
    start = time.monotonic()
    call: dict[str, Any] = {"started": time.strftime("%Y-%m-%d %H:%M:%S"), "seconds": 0.0, "not_begun": []}
    results.calls.append(call)
    results.write()
    statuses = []
    for part in chosen:
        if part.seconds > options.seconds - (time.monotonic() - start):
            call["not_begun"].append(part.name)
            continue
        print(f"=== {part.name}, at most {part.seconds} s", flush=True)
        outcome = results.add(part, run(part, results.setting))
        call["seconds"] = round(time.monotonic() - start, 1)
        results.write()
        tell(part, outcome, results)
        statuses.append(outcome.status)
    results.write()  # with those that were not begun at the end
    print(f"{results.folder / 'check.json'}; {call['seconds']} s; not begun: {' '.join(call['not_begun']) or 'none'}")
    if not statuses:
        print(f"no part was begun: each needs more than {options.seconds:g} s", file=sys.stderr)
    return int(not statuses or any(status not in (PASSED, STUB) for status in statuses))


def tell(part: Part, outcome: Outcome, results: Results) -> None:
    lacked = f"  STUB, without {', '.join(outcome.stub)}" if outcome.stub else ""
    print(f"{outcome.status} after {outcome.seconds} s{lacked}  {outcome.note}")
    if outcome.status == PASSED:
        figures = results.entries[part.name]["figures"]
        print("\n".join(f"  {key}: {str(value)[:300]}" for key, value in figures.items()))
    else:
        print("\n".join(f"  {line[:300]}" for line in outcome.log.splitlines()[-8:]), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what ends this call also ends the part under way
    sys.exit(main())
