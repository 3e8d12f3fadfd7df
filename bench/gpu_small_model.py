"""The bundled Sudoku model on a GPU beside the same model on the CPU, as JSON.

    python bench/gpu_small_model.py [--device cuda] [--puzzles 40] [--json FILE]

The GPU rounds the operands of matrix products, so logits differ a little: `mean_kl` in nats and the share of positions
with the same argmax compare the predictions for the same canvases. Both solve the same puzzles with the same seeds. A
text must be the same, to the letter, alone, in a batch and again. The exit status is 1 where something is off.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gesso
from gesso import sudoku
from gesso.compare import compare_logits
from gesso.demo_command import bundled_model, make_puzzles, solve

MAX_MEAN_KL = 1e-3  # nats; a wrong kernel is orders of magnitude above
MIN_AGREEMENT = 0.98
MIN_SOLVED = 0.9  # of what the CPU solves; a puzzle at the edge may go either way


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares the bundled model on a GPU with itself on the CPU.")
    parser.add_argument("--device", default="cuda", metavar="NAME")
    parser.add_argument("--puzzles", type=int, default=40, metavar="N")
    parser.add_argument("--json", metavar="FILE", help="write the result to a file as well")
    options = parser.parse_args()
    puzzles = make_puzzles(0, options.puzzles)
    result = {kind: compare(options.device, kind, puzzles) for kind in ("bf16", "int8")}
    text = json.dumps(result, indent=1)
    print(text)
    if options.json:
        Path(options.json).write_text(text + "\n")
    raise SystemExit(any(entry["problems"] for entry in result.values()))


def compare(device: str, activations: str, puzzles: list[str]) -> dict[str, Any]:
    cpu = gesso.load(bundled_model(), "cpu")
    gpu = gesso.load(bundled_model(), device, activations=activations)
    prompts = [cpu.tokenizer.encode_prompt(puzzle) for puzzle in puzzles]
    logits = compare_logits(cpu, gpu, prompts)
    texts = solve(gpu, puzzles, 0).texts
    solved = [num_solved(puzzles, solve(cpu, puzzles, 0).texts), num_solved(puzzles, texts)]
    is_repeatable = solve(gpu, puzzles, 0).texts == texts
    is_batch_invariant = [solve(gpu, [puzzle], 0).texts[0] for puzzle in puzzles[:8]] == texts[:8]
    faults = {
        f"mean KL {logits.mean_kl:g}, expected at most {MAX_MEAN_KL:g}": logits.mean_kl > MAX_MEAN_KL,
        f"argmax agreement {logits.argmax_agreement:g}": logits.argmax_agreement < MIN_AGREEMENT,
        f"solved {solved[1]}, on the CPU {solved[0]}": solved[1] < MIN_SOLVED * solved[0],
        "a second run gave other texts": not is_repeatable,
        "a text alone differs from the same in a batch": not is_batch_invariant,
    }
    return {
        "device": next(device.description for device in gesso.devices() if device.name == gpu.device),
        "activations": gpu.activations,
        "puzzles": len(puzzles),
        "solved_on_cpu": solved[0],
        "solved": solved[1],
        "logits": asdict(logits),
        "problems": [fault for fault, is_so in faults.items() if is_so],
    }


def num_solved(puzzles: list[str], texts: list[str]) -> int:
    return sum(sudoku.solves(puzzle, text) for puzzle, text in zip(puzzles, texts, strict=True))


if __name__ == "__main__":
    main()
