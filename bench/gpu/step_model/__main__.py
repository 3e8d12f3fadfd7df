"""Predicts how long a denoising step of the 26B model takes on a GPU, from the machine code that `make cuda` made.

    make step-model                                     every card, Q4_K_M, one canvas
    make step-model STEP_MODEL_FLAGS="--card H200 --preset Q8_0 --canvases 8"
    make step-model STEP_MODEL_FLAGS="--overview"       one line for each card and preset
    make step-model STEP_MODEL_FLAGS="--goals"          the figures that the design is held against; 1 if one fails
    make step-model STEP_MODEL_FLAGS="--measured result.json"
    make step-model STEP_MODEL_FLAGS="--measured bench/results/gpu/records.json --part step_q4_k_m"

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
from gpu.step_model.measured import (
    MOST_CACHED,
    MOST_CANVASES,
    Measured,
    card_of,
    check_setting,
    comparison,
    read_measured,
)
from gpu.step_model.prediction import predict
from gpu.step_model.shape import PRESETS
from gpu.step_model.table import overview, records, step_table

# The modes, and the options that they look at. Without one of them there is a table for each card.
USED = {"overview": {"card", "cached"}, "goals": set[str](), "measured": {"card", "preset", "part"}}


def size_from(least: int, most: int) -> Callable[[str], int]:
    def size(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected {least} to {most}, got {text}")
        return int(text)

    return size


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="step_model", description=__doc__.splitlines()[0])
    parser.add_argument("--card", choices=list(CARDS), action="append", help="may be given several times; default: all")
    parser.add_argument("--preset", choices=PRESETS, help="default: Q4_K_M; of what was measured, what its records say")
    parser.add_argument("--canvases", type=size_from(1, MOST_CANVASES), help="of 256 rows each; default: 1")
    parser.add_argument("--cached", type=size_from(0, MOST_CACHED), help="tokens before each canvas; default: 1024")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes the predictions as records, by op")
    parser.add_argument("--part", help="with --measured: of records.json of bench/gpu_check.sh, those of this part")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--overview", action="store_true", help="one line for each card and preset, with 1 and 8 canvases"
    )
    mode.add_argument("--goals", action="store_true", help="the figures that the design is held against")
    mode.add_argument(
        "--measured",
        type=Path,
        metavar="FILE",
        help="compare with records of gesso-bench, of bench/gpu_check.sh or of gesso bench --profile --json",
    )
    options = parser.parse_args(arguments)
    refuse_unused(parser, options)
    return options


def refuse_unused(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """What a mode would not look at is a mistake of the caller."""
    given = {name for name, value in vars(options).items() if value is not None and value is not False}
    mode = next((name for name in USED if name in given), "")
    used = USED.get(mode, {"card", "preset", "canvases", "cached", "json"})
    if unused := sorted(given - used - {mode}):
        taken = ", ".join(f"--{name}" for name in sorted(used)) or "nothing else"
        place = f"beside --{mode}, which takes {taken}" if mode else "without --measured"
        parser.error(f"--{unused[0]} means nothing {place}")
    if mode == "measured" and len(options.card or []) > 1:
        parser.error("--card: expected one card beside --measured")


def compare(measured: list[Measured], options: argparse.Namespace) -> Iterator[str]:
    """A table for each device, preset and size of a step."""
    settings: dict[tuple[str, str, int, int], list[Measured]] = defaultdict(list)
    for each in measured:
        card = options.card[0] if options.card else card_of(each.device)
        check_setting(each, card, options.preset)
        settings[card, each.preset, each.canvases, each.cached].append(each)
    for (card, preset, canvases, cached), some in settings.items():
        yield f"{card}  {preset}  {canvases} x 256 rows, {cached} cached tokens each; ms of all calls of a step"
        yield from comparison(some, predict(card, preset, canvases, cached))


def run(options: argparse.Namespace) -> None:
    cards = options.card or list(CARDS)
    preset, canvases = options.preset or "Q4_K_M", options.canvases or 1
    cached = 1024 if options.cached is None else options.cached
    print("Predictions from machine code and assumptions. Nothing here was measured on a GPU, unless it says so.\n")
    if options.measured:
        print("\n".join(compare(read_measured(options.measured, options.part), options)))
    elif options.goals:
        found = list(goals())
        print("\n".join(map(str, found)))
        if not all(goal.holds for goal in found):
            raise SystemExit(1)
    elif options.overview:
        sizes = [(card, preset, canvases) for card in cards for preset in PRESETS for canvases in (1, 8)]
        print("\n".join(overview([predict(*size, cached) for size in sizes])))
    else:
        predictions = [predict(card, preset, canvases, cached) for card in cards]
        print("\n\n".join("\n".join(step_table(prediction)) for prediction in predictions))
        if options.json:
            made = [record for prediction in predictions for record in records(prediction)]
            options.json.write_text(json.dumps(made, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    try:
        run(parse(arguments))
    except (OSError, LookupError, ValueError) as error:
        raise SystemExit(f"step_model: {error}") from error


if __name__ == "__main__":
    main()
