"""Two versions of gesso generate the same texts in turns, on the same machine, and the ratio of their times is printed.

    python bench/in_turns.py MODEL --before PYTHON --after PYTHON [--requests 6] [--rounds 7] [--json FILE]

Each PYTHON is an interpreter that has a version of gesso installed, for example the one of another checkout's .venv.
Both versions run in processes of their own, which live as long as the measurement. In each round first one of them
generates, then the other. Their tokens must be the same. Processor time, of all threads together, is printed too: on a
busy machine it says more than the time that passed.

The requests have one canvas each, and take different numbers of steps, 4 to 8: a canvas stops when its argmax stays
the same for three steps. A canvas with all positions pinned does so in the fourth step. With random weights, the more
positions are free the longer it takes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

PROMPT_TOKENS = 64


def work(path: str, num_requests: int) -> None:
    """The process of one version: it generates once for each line on its standard input."""
    import time

    import numpy as np

    import gesso

    model = gesso.load(path)
    length, size = model.config.canvas_length, model.config.vocab_size
    rng = np.random.default_rng(0)
    prompts = [rng.integers(0, size, PROMPT_TOKENS).tolist() for _ in range(num_requests)]
    pinned = []
    for index in range(num_requests):
        free = set(rng.choice(length, index // 2, replace=False).tolist())
        pinned.append({p: int(rng.integers(0, size)) for p in range(length) if p not in free})
    options: dict[str, Any] = {"max_new_tokens": length, "max_denoising_steps": 8, "end_token_ids": []}
    options |= {"confidence_threshold": 1e3, "stability_threshold": 3, "entropy_bound": 1e3}
    for _ in sys.stdin:
        start, cpu_start = time.perf_counter(), time.process_time()
        out = model.generate(prompts, pinned=pinned, seed=list(range(num_requests)), **options)
        spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu_start}
        steps = [sum(each) for each in out.denoising_steps]
        print(json.dumps({**spent, "steps": steps, "ids": out.sequences}), flush=True)


class Version:
    def __init__(self, python: str, model: str, num_requests: int) -> None:
        command = [python, __file__, model, "--requests", str(num_requests), "--work"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def generate(self) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a version ended before it answered")
        answer: dict[str, Any] = json.loads(line)
        return answer


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares the time of two versions of gesso, in turns.")
    parser.add_argument("model")
    parser.add_argument("--before", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--after", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--requests", type=int, default=6, metavar="N", help="requests of a batch; default: 6")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--json", metavar="FILE", help="write the result to a file as well")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(options.model, options.requests)
    versions = [Version(python, options.model, options.requests) for python in (options.before, options.after)]
    for version in versions:
        first = version.generate()  # reads the file and takes memory
    print("steps:", *first["steps"], flush=True)
    spent: list[dict[str, list[float]]] = [{"seconds": [], "cpu_seconds": []} for _ in versions]
    for index in range(options.rounds):
        order = (0, 1) if index % 2 == 0 else (1, 0)
        answers = {i: versions[i].generate() for i in order}
        if answers[0]["ids"] != answers[1]["ids"]:
            raise SystemExit("the two versions wrote different tokens")
        for i in order:
            for name, values in spent[i].items():
                values.append(answers[i][name])
        print(*(f"{v['seconds'][-1]:.3f} s ({v['cpu_seconds'][-1]:.3f} s of processors)" for v in spent), flush=True)
    result: dict[str, Any] = {"requests": options.requests, "steps": first["steps"]}
    for name in ("seconds", "cpu_seconds"):
        before, after = (each[name] for each in spent)
        ratios = [b / a for a, b in zip(before, after, strict=True)]
        result[name] = {
            "before": before,
            "after": after,
            "ratio_of_medians": statistics.median(after) / statistics.median(before),
            "ratio_of_minima": min(after) / min(before),
            "median_ratio": statistics.median(ratios),
        }
        medians, minima, rounds = list(result[name].values())[2:]
        print(f"{name}, after / before: {medians:.3f} (medians), {minima:.3f} (minima), {rounds:.3f} (of the rounds)")
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
