"""Runs every fuzz target for some seconds, two at a time. `make fuzz` calls it.

    python tests/fuzz/run.py --seconds 60 --programs build/clang/tests/fuzz

New inputs are kept in build/fuzz/<target>, where the next run begins. An input that fails is written to build/fuzz; the
end of the target's output is shown, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
KEPT = ROOT / "build" / "fuzz"
# The largest inputs: three times the largest seed. A single input may take 20 seconds and 1 GB.
LIBFUZZER = ("-max_len=40000", "-timeout=20", "-rss_limit_mb=1024", "-print_final_stats=1", f"-artifact_prefix={KEPT}/")
GRACE = 120  # seconds after which a target that does not end by itself counts as hanging


def commands(seconds: int, programs: Path) -> Iterator[tuple[str, list[str | Path]]]:
    """Yields the name and the command of each target: the programs of fuzz_*.cpp, and the scripts fuzz_*.py."""
    for source in sorted(FOLDER.glob("fuzz_*.cpp")):
        target = source.stem.removeprefix("fuzz_")
        corpus = KEPT / target
        corpus.mkdir(parents=True, exist_ok=True)
        yield (
            target,
            [programs / source.stem, f"-max_total_time={seconds}", *LIBFUZZER, corpus, FOLDER / "seeds" / target],
        )
    for script in sorted(FOLDER.glob("fuzz_*.py")):
        yield script.stem.removeprefix("fuzz_"), [sys.executable, script, "--seconds", str(seconds)]


def run(name: str, command: list[str | Path], seconds: int) -> tuple[str, str, bool]:
    """Returns the name, what the target printed, and whether it found nothing."""
    # A size that a file states is an error of the library, not one of the sanitizer.
    environment = os.environ | {"ASAN_OPTIONS": "allocator_may_return_null=1"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds + GRACE,
        )
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
        return name, (output if isinstance(output, str) else output.decode(errors="replace")) + "\nHANGS", False
    return name, done.stdout, done.returncode == 0


def summary(output: str) -> str:
    """Returns the number of inputs that a target tried, from what it printed."""
    lines = [line for line in output.splitlines() if "executed_units" in line or "inputs" in line or "rounds" in line]
    return lines[-1].split(":")[-1].strip() if lines else "no count"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--programs", type=Path, required=True, help="the folder with the programs of fuzz_*.cpp")
    options = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    failed = False
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = [pool.submit(run, name, command, options.seconds) for name, command in
                commands(options.seconds, options.programs.resolve())]  # fmt: skip
        for job in jobs:
            name, output, passed = job.result()
            print(f"{name}: {'nothing found' if passed else 'FAILED'}, inputs tried: {summary(output)}", flush=True)
            if not passed:
                print("\n".join(output.splitlines()[-60:]), flush=True)
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
