"""Do `gesso-bench` and `gesso bench` measure the same on the CPU? Both run in turns, and their medians are compared.

    python bench/tool_in_turns.py MODEL.gguf [--tool build/tools/gesso-bench] [--rounds 5] [--prompt 64] [--json FILE]

The exit status is 1 where a step differs by more than 3 %. A run counts as one sample, and the median over the runs of
one program is compared with that of the other, so that a busy minute meets both. The prompts differ, so the weights
should be random ones: with those of a trained model, prompts change which experts run. A step should take some
milliseconds, since a call of the package takes some 0.02 ms more; and less than half a second, so that many rounds
are short: where other machines share the processor, its speed changes within seconds. Both must be built of the same
objects.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

KINDS = ("encode", "step", "commit")
LARGEST = 0.03


def tool_times(tool: Path, settings: argparse.Namespace, folder: Path) -> dict[str, float]:
    out = folder / "tool.json"
    command = [tool, settings.model, "--device", "cpu", "--threads", settings.threads, "--parts", "steps"]
    command += [
        "--cached",
        settings.prompt,
        "--steps",
        settings.steps,
        "--repetitions",
        settings.repetitions,
        "-o",
        out,
    ]
    records = run(command, out)
    return {record["kind"]: record["median_ms"] for record in records}


def package_times(settings: argparse.Namespace, folder: Path) -> dict[str, float]:
    out = folder / "package.json"
    command = [sys.executable, "-m", "gesso", "bench", settings.model, "--device", "cpu", "-t", settings.threads]
    command += ["-p", settings.prompt, "--steps", settings.steps, "-r", settings.repetitions, "--json"]
    (record,) = run([*command, "--output", out], out)
    return {kind: record[f"{kind}_ms"]["median"] for kind in KINDS}


def run(command: list[Any], out: Path) -> list[dict[str, Any]]:
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    records: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))
    return records


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--tool", type=Path, default=Path("build/tools/gesso-bench"))
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--prompt", type=int, default=64, metavar="N", help="tokens of the prompt; default: 64")
    parser.add_argument("--steps", type=int, default=8, metavar="N")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to a file as well")
    settings = parser.parse_args()
    times: dict[str, list[dict[str, float]]] = {"gesso bench": [], "gesso-bench": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index in range(settings.rounds):
            measure = {
                "gesso bench": lambda: package_times(settings, folder),
                "gesso-bench": lambda: tool_times(settings.tool, settings, folder),
            }
            for program in measure if index % 2 == 0 else reversed(measure):
                times[program].append(measure[program]())
            last = [f"{program} {times[program][-1]['step']:.2f} ms" for program in times]
            print(f"round {index + 1}, a step: {', '.join(last)}", flush=True)
    medians = {
        program: {kind: statistics.median(run[kind] for run in runs) for kind in KINDS}
        for program, runs in times.items()
    }
    ratios = {kind: medians["gesso-bench"][kind] / medians["gesso bench"][kind] for kind in KINDS}
    for kind in KINDS:
        package, tool = (medians[program][kind] for program in times)
        print(f"{kind}: {package:.2f} ms and {tool:.2f} ms, ratio {ratios[kind]:.3f}")
    if settings.json:
        result = {"medians_ms": medians, "ratios": ratios, "runs_ms": times}
        settings.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return int(abs(ratios["step"] - 1) > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
