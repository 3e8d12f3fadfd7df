"""Trains "mini" again from the seed for a few steps, and compares the losses with those of the run that made the
bundled weights.

    python python/training/rerun_mini.py --threads 1 [--steps 200]

The losses are equal in every digit with the versions in requirements.txt, the processor and the number of threads of
that run. Elsewhere sums are rounded in another order; then they stay within --percent of each other. With few steps
this takes minutes: a step is about four seconds of a core.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mini.arguments import positive_int
from mini.log import LOG

HERE = Path(__file__).resolve().parent
BUNDLED_LOG = HERE / "mini/trained" / LOG
LOG_EVERY = 50  # steps, as in that run
LOSSES = ("loss", "encoder", "uneven", "held_out", "held_out_encoder")

Line = dict[str, float]


def read_log(file: Path, last_step: int) -> list[Line]:
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["step"] <= last_step]


def largest_difference(log: list[Line], again: list[Line]) -> float:
    """Returns by how much losses of the same step differ at most, as a share. Raises ValueError for other steps."""
    steps, found = ([line["step"] for line in lines] for lines in (log, again))
    if steps != found or not steps:
        raise ValueError(f"expected losses of the steps {steps}, got {found}")
    return max(
        abs(line[name] - other[name]) / line[name]
        for line, other in zip(log, again, strict=True)
        for name in LOSSES
        if name in line
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, default=BUNDLED_LOG, help="default: the curve of the bundled weights")
    parser.add_argument("--steps", type=positive_int, default=200)
    parser.add_argument("--threads", type=positive_int, default=1, help="as in that run")
    parser.add_argument("--percent", type=float, default=1.0, help="the largest difference that passes")
    arguments = parser.parse_args()
    if arguments.steps < LOG_EVERY:
        parser.error(f"--steps: expected at least {LOG_EVERY}, the first step in a log, got {arguments.steps}")
    expected = read_log(arguments.log, arguments.steps)
    if not expected:
        parser.error(f"--log: {arguments.log} has no losses up to step {arguments.steps}")
    with TemporaryDirectory() as work:
        command = [sys.executable, str(HERE / "train_mini.py"), "--work", work, "--compile"]
        command += ["--steps", str(arguments.steps), "--threads", str(arguments.threads)]
        command += ["--log-every", str(LOG_EVERY)]
        subprocess.run(command, check=True)
        again = read_log(Path(work) / LOG, arguments.steps)
    difference = largest_difference(expected, again)
    print(f"{len(again)} lines of the log up to step {arguments.steps}: the losses differ by {difference:.3%} at most")
    return int(100 * difference > arguments.percent)


if __name__ == "__main__":
    sys.exit(main())
