"""Puts trained weights of "mini" where they belong in the repository, with everything that is made of them:

    python python/training/bundle_mini.py --run build/mini

1. python/training/mini/trained/: weights.safetensors, and log.jsonl up to their step
2. python/gesso/bundled/mini.gguf
3. bench/results/mini_quality.json: what bench/mini_quality.py measures
4. docs/mini.md, the card, and docs/mini.svg, the picture of a reply

Without --run it makes 2 to 4 of the weights that are there. Options of bench/mini_quality.py may follow, for example
--threads 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from mini.card import card
from mini.checkpoint import load_weights
from mini.export import write_folder, write_gguf
from mini.log import LOG, lines_until
from mini.picture import BUNDLED, draw
from mini.sizes import Sizes

ROOT = Path(__file__).resolve().parents[2]
TRAINED = ROOT / "python/training/mini/trained"
QUALITY = ROOT / "bench/results/mini_quality.json"
CARD = ROOT / "docs/mini.md"
WEIGHTS = "weights.safetensors"
MOST_BYTES = 8_000_000


def take(run: Path) -> None:
    """Copies the weights of a run, which may go on meanwhile, and the log as it was then."""
    TRAINED.mkdir(exist_ok=True)
    shutil.copy(run / WEIGHTS, TRAINED / WEIGHTS)
    last = load_weights(TRAINED / WEIGHTS)[1].step
    (TRAINED / LOG).write_text("".join(lines_until(run / LOG, last)), encoding="utf-8")


def export(work: Path) -> None:
    weights, _ = load_weights(TRAINED / WEIGHTS)
    write_folder(work, weights, Sizes(vocab=len(weights["embed_tokens.weight"])))
    write_gguf(work, BUNDLED, "Q8_0")
    if (size := BUNDLED.stat().st_size) > MOST_BYTES:
        raise SystemExit(f"{BUNDLED}: expected at most {MOST_BYTES} bytes, got {size}")


def measure(options: list[str]) -> None:
    command = [sys.executable, str(ROOT / "bench/mini_quality.py"), "--model", str(BUNDLED), "-o", str(QUALITY)]
    subprocess.run(command + options, check=True)


def write_card() -> None:
    _, progress = load_weights(TRAINED / WEIGHTS)
    log = [json.loads(line) for line in (TRAINED / LOG).read_text(encoding="utf-8").splitlines()]
    records = json.loads(QUALITY.read_text(encoding="utf-8"))
    CARD.write_text(card(Sizes(), log, progress.step, progress.cpu_minutes, records), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="the folder --work of train_mini.py")
    parser.add_argument("--keep-scores", action="store_true", help="leave out 3")
    arguments, quality = parser.parse_known_args()  # other options are those of bench/mini_quality.py
    if arguments.run is not None:
        take(arguments.run)
    export(ROOT / "build/mini-export")
    if not arguments.keep_scores:
        measure(quality)
    write_card()
    draw()


if __name__ == "__main__":
    main()
