"""How much sooner the first step starts where a prompt's beginning was encoded before, with a ratio from one run.

    python bench/shared_prefix.py MODEL [--prefix 2048] [--own 64] [--requests 4] [--device cpu] [--json FILE]

Prompts have a common beginning of --prefix tokens and --own tokens of their own. They run one after the other through
an engine that keeps prefixes, and through one that keeps none. The time to the start of the first step is the time to
its end without the time of a step: that of the second one, which encodes nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

import gesso


def seconds_to_first_step(engine: gesso.Engine, prompt: list[int]) -> float:
    ends: list[float] = []
    start = time.perf_counter()
    request = engine.submit(
        prompt,
        max_new_tokens=1,
        max_denoising_steps=2,
        confidence_threshold=0.0,
        on_step=lambda _: ends.append(time.perf_counter()),
    )
    request.result()
    return (ends[0] - start) - (ends[1] - ends[0])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what a shared beginning of prompts saves.")
    parser.add_argument("model")
    parser.add_argument("--prefix", type=int, default=2048, metavar="N")
    parser.add_argument("--own", type=int, default=64, metavar="N")
    parser.add_argument("--requests", type=int, default=4, metavar="N")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", metavar="FILE", help="write the result to a file as well")
    options = parser.parse_args()
    model = gesso.load(options.model, device=options.device)
    rng = np.random.default_rng(0)
    draw = lambda count: rng.integers(0, model.config.vocab_size, count).tolist()  # noqa: E731
    common = draw(options.prefix)
    prompts = [common + draw(options.own) for _ in range(options.requests)]
    result: dict[str, object] = {"device": model.device, "prefix": options.prefix, "own": options.own}
    medians = []
    for name, prefix_bytes in (("without", 0), ("with", None)):
        with gesso.Engine(model, prefix_bytes=prefix_bytes) as engine:
            seconds = [seconds_to_first_step(engine, prompt) for prompt in prompts]
            medians.append(statistics.median(seconds[1:]))
            result[f"{name}_s"] = seconds
            print(f"{name} kept prefixes:", *(f"{x:.3f}" for x in seconds), "s;", engine.counters().prompt_rows, "rows")
    result["ratio"] = medians[1] / medians[0]
    print(f"from the second request on: {result['ratio']:.3f} of the time")
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
