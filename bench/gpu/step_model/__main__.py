"""Predicts how long a denoising step of the 26B model takes on a GPU, from the machine code that `make cuda` made.

    make step-model                                     every card, Q4_K_M, one canvas
    make step-model STEP_MODEL_FLAGS="--card H200 --preset Q8_0 --canvases 8"
    make step-model STEP_MODEL_FLAGS="--overview"       one line for each card and preset
    make step-model STEP_MODEL_FLAGS="--goals"          the figures that the design is held against
    make step-model STEP_MODEL_FLAGS="--measured build/gpu_bench/result.json"

Nothing that it prints was measured. README.md beside it says what it knows and what it assumes.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gpu.step_model.assumptions import CARDS
from gpu.step_model.goals import goals
from gpu.step_model.measured import LARGEST_SIZE, Measured, card_of, comparison, read_measured
from gpu.step_model.prediction import predict
from gpu.step_model.table import overview, records, step_table

PRESETS = ("Q4_K_M", "Q8_0", "NVFP4")


def size_from(least: int) -> Callable[[str], int]:
    def size(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= LARGEST_SIZE:
            raise argparse.ArgumentTypeError(f"expected {least} to {LARGEST_SIZE}, got {text}")
        return int(text)

    return size


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="step_model", description=__doc__.splitlines()[0])
    parser.add_argument("--card", choices=list(CARDS), action="append", help="may be given several times; default: all")
    parser.add_argument("--preset", choices=PRESETS, default="Q4_K_M")
    parser.add_argument("--canvases", type=size_from(1), default=1, help="of 256 rows each")
    parser.add_argument("--cached", type=size_from(0), default=1024, help="tokens before each canvas")
    parser.add_argument(
        "--overview", action="store_true", help="one line for each card and preset, with 1 and 8 canvases"
    )
    parser.add_argument("--goals", action="store_true", help="the figures that the design is held against")
    parser.add_argument("--measured", type=Path, help="records of bench/gpu or of gesso bench --profile -o json")
    parser.add_argument("--json", type=Path, help="writes the predictions as records, by op")
    return parser.parse_args(arguments)


def compare(measured: list[Measured], options: argparse.Namespace) -> Iterator[str]:
    """A table for each device and size of a step."""
    settings: dict[tuple[str, int, int], list[Measured]] = defaultdict(list)
    for each in measured:
        card = options.card[0] if options.card else card_of(each.device)
        settings[card, each.canvases, each.cached].append(each)
    for (card, canvases, cached), some in settings.items():
        yield f"{card}  {options.preset}  {canvases} x 256 rows, {cached} cached tokens each; ms of all calls of a step"
        yield from comparison(some, predict(card, options.preset, canvases, cached))


def run(options: argparse.Namespace) -> None:
    cards = options.card or list(CARDS)
    print("Predictions from machine code and assumptions. Nothing here was measured on a GPU, unless it says so.\n")
    if options.measured:
        print("\n".join(compare(read_measured(options.measured), options)))
    elif options.goals:
        print("\n".join(map(str, goals())))
    elif options.overview:
        sizes = [(card, preset, canvases) for card in cards for preset in PRESETS for canvases in (1, 8)]
        print("\n".join(overview([predict(*size, options.cached) for size in sizes])))
    else:
        predictions = [predict(card, options.preset, options.canvases, options.cached) for card in cards]
        print("\n\n".join("\n".join(step_table(prediction)) for prediction in predictions))
        if options.json:
            found = [record for prediction in predictions for record in records(prediction)]
            options.json.write_text(json.dumps(found, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    try:
        run(parse(arguments))
    except (OSError, LookupError, ValueError) as error:
        raise SystemExit(f"step_model: {error}") from error


if __name__ == "__main__":
    main()
