"""The bundled Sudoku model with the device's rounding, compared with the same model in float32 on the CPU, as JSON.

    python bench/small_model.py [--device cuda] [--puzzles 40] [--json FILE]

Logits differ a little when a product's operands are rounded. `mean_kl`, in nats, and the share of positions with the
same argmax compare the predictions for the same canvases. Both models solve the same puzzles with the same seeds. The
text for a puzzle must be the same, letter by letter, when it is solved alone, in a batch, and again. The exit status is
1 where something is wrong.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gesso
from gesso.bundled import sudoku
from gesso.bundled.sudoku_model import bundled_model, make_puzzles, solve
from gesso.measure.compare import compare_logits

MAX_MEAN_KL = 1e-3  # in nats; a wrong kernel gives a value that is orders of magnitude larger
MIN_AGREEMENT = 0.98
MAX_LOST = 0.01  # share of the puzzles, but at least one: rounding may change a close decision
NUM_COMPARED = 40  # number of puzzles whose predictions are compared


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares the bundled model on a device with float32 on the CPU.")
    parser.add_argument("--device", default="cuda", metavar="NAME", help="cuda (default), cuda:1, cpu ...")
    parser.add_argument("--puzzles", type=int, default=40, metavar="N")
    parser.add_argument("--json", metavar="FILE", help="write the result to a file as well")
    options = parser.parse_args()
    puzzles = make_puzzles(0, options.puzzles)
    kinds = ("int8",) if options.device == "cpu" else ("bf16", "int8")
    result = {kind: compare(options.device, kind, puzzles) for kind in kinds}
    text = json.dumps(result, indent=1)
    print(text)
    if options.json:
        Path(options.json).write_text(text + "\n")
    raise SystemExit(any(entry["problems"] for entry in result.values()))


def compare(device: str, activations: str, puzzles: list[str]) -> dict[str, Any]:
    exact = gesso.load(bundled_model(), "cpu", activations="f32")
    model = gesso.load(bundled_model(), device, activations=activations)
    prompts = [exact.tokenizer.encode_prompt(puzzle) for puzzle in puzzles[:NUM_COMPARED]]
    logits = compare_logits(exact, model, prompts)
    texts = solve(model, puzzles, 0).texts
    solved = [num_solved(puzzles, solve(exact, puzzles, 0).texts), num_solved(puzzles, texts)]
    is_repeatable = solve(model, puzzles, 0).texts == texts
    is_batch_invariant = [solve(model, [puzzle], 0).texts[0] for puzzle in puzzles[:8]] == texts[:8]
    faults = {
        f"mean KL {logits.mean_kl:g}, expected at most {MAX_MEAN_KL:g}": logits.mean_kl > MAX_MEAN_KL,
        f"argmax agreement {logits.argmax_agreement:g}": logits.argmax_agreement < MIN_AGREEMENT,
        f"solved {solved[1]}, in float32 {solved[0]}": solved[0] - solved[1] > max(1, MAX_LOST * len(puzzles)),
        "a second run gave other texts": not is_repeatable,
        "a text alone differs from the same in a batch": not is_batch_invariant,
    }
    return {
        "device": next(device.description or device.name for device in gesso.devices() if device.name == model.device),
        "activations": model.activations,
        "puzzles": len(puzzles),
        "solved_in_float32": solved[0],
        "solved": solved[1],
        "logits": asdict(logits),
        "problems": [fault for fault, is_so in faults.items() if is_so],
    }


def num_solved(puzzles: list[str], texts: list[str]) -> int:
    return sum(sudoku.solves(puzzle, text) for puzzle, text in zip(puzzles, texts, strict=True))


if __name__ == "__main__":
    main()
