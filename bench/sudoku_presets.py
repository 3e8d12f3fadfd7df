"""What the presets of `gesso quantize` cost a trained model. The result is the table in the documentation.

    python bench/sudoku_presets.py [--puzzles 300] [--seed 1] [--json FILE]

The model is the bundled Sudoku model, which is stored as Q8_0. Its values rounded to BF16 are the source: all presets
are made from it and compared with it. Its rows have 128 and 256 elements, so types with blocks of 256 do not fit most
of them. So there is a second table, for a model of twice the width that computes the same function. Its rows fit all
types; see `widened_model.py`. All models solve the same puzzles, which training has never shown, with the same seeds.

`solved` counts answers that keep the given cells and obey the rules. KL(source || preset), in nats, and the share of
positions with the same argmax are measured as `gesso inspect --compare` does, with puzzles as prompts. Rows with
`importance` use an importance matrix that was made from other puzzles and their solutions.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import gesso
from gesso.bundled import sudoku
from gesso.bundled.sudoku_model import BATCH_SIZE, bundled_model, make_puzzles, solve
from gesso.cli.program import main as gesso_command
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf
from gesso.files.presets import stays_float32
from gesso.measure.compare import compare_logits
from widened_model import widen_metadata, widen_tensors

PRESETS = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_XS", "NVFP4")
WITH_IMPORTANCE = ("Q4_K_M", "Q4_0", "IQ4_XS", "NVFP4")  # also measured with an importance matrix
NUM_GRIDS = 80  # number of grids from training for the importance matrix
NUM_COMPARED = 50  # number of puzzles whose predictions are compared


@dataclass(frozen=True)
class Row:
    """One model of the table."""

    preset: str
    file_bytes: int
    bits_per_weight: float  # mean over all tensors
    types: dict[str, float]  # the types' shares of the matrices' weights, without routers
    solved: list[bool]  # for each puzzle
    steps_per_puzzle: float
    mean_kl: float
    argmax_agreement: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the presets of `gesso quantize` on the bundled model.")
    parser.add_argument("--puzzles", type=int, default=300, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the puzzles")
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file as well")
    options = parser.parse_args()
    puzzles = make_puzzles(options.seed, options.puzzles)
    tables = {}
    with TemporaryDirectory() as folder:
        for title, source in make_sources(Path(folder)).items():
            tables[title] = list(measure_presets(source, PRESETS, puzzles))
            importance = write_importance(source)
            tables[title] += list(measure_presets(source, WITH_IMPORTANCE, puzzles, importance=importance))[1:]
            print(f"\n{title}, {len(puzzles)} puzzles, seed {options.seed}\n")
            print("\n".join(markdown(tables[title])), flush=True)
    if options.json:
        figures = {title: [asdict(row) | {"solved": sum(row.solved)} for row in rows] for title, rows in tables.items()}
        result = {"puzzles": options.puzzles, "seed": options.seed, "tables": figures}
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


def make_sources(folder: Path) -> dict[str, Path]:
    """Writes the BF16 files that the presets are made from: the bundled model as it is, and its twin."""
    bundled = bundled_model()
    sources = {"Bundled model": folder / "bundled-BF16.gguf", "Twin of twice the width": folder / "twin-BF16.gguf"}
    wide = folder / "twin-F32.gguf"
    write_wide_model(bundled, wide)
    for source, target in zip((bundled, wide), sources.values(), strict=True):
        quantize(source, target, "BF16")
    return sources


def write_wide_model(source: Path, target: Path) -> None:
    narrow = read_gguf(source)
    write_gguf(target, narrow.metadata | widen_metadata(narrow.values), widen_tensors(narrow.tensors()))


def run_gesso(*arguments: object) -> None:
    with redirect_stdout(sys.stderr):
        if gesso_command([str(argument) for argument in arguments]) != 0:
            raise SystemExit(f"gesso {arguments[0]} has failed")


def quantize(source: Path, target: Path, preset: str, *options: object) -> None:
    run_gesso("quantize", source, target, "--preset", preset, *options)


def write_importance(source: Path) -> Path:
    """Writes the importance matrix of a model over puzzles from training, each followed by its solution."""
    rng = np.random.default_rng(0)
    grids = sudoku.random_grids(rng, NUM_GRIDS, held_out=False)
    text, importance = source.with_suffix(".txt"), source.with_suffix(".imatrix.gguf")
    pairs = zip(sudoku.hide_cells(rng, grids, 18), grids, strict=True)
    text.write_text("".join(sudoku.to_text(grid) for pair in pairs for grid in pair))
    run_gesso("imatrix", source, text, importance, "--context", 80)
    return importance


def measure_presets(
    source: Path,
    presets: Sequence[str],
    puzzles: list[str],
    num_compared: int = NUM_COMPARED,
    importance: Path | None = None,
) -> Iterator[Row]:
    """Gives the row of the source first, then those of the presets."""
    reference = gesso.load(source, "cpu", activations="f32")
    prompts = [reference.tokenizer.encode_prompt(puzzle) for puzzle in puzzles[:num_compared]]
    yield measure("BF16 (source)", source, reference, prompts, puzzles)
    for preset in presets:
        path = source.with_name(f"{source.stem}-{preset}.gguf")
        quantize(source, path, preset, *(["--imatrix", importance] if importance else []))
        yield measure(f"{preset}, importance" if importance else preset, path, reference, prompts, puzzles)


def measure(name: str, path: Path, reference: gesso.Model, prompts: Sequence[list[int]], puzzles: list[str]) -> Row:
    model = gesso.load(path, "cpu", activations="f32")
    tensors = read_gguf(path).tensors()
    matrices = [x for x in tensors if not stays_float32(x.name, x.shape)]
    weights = sum(x.num_elements for x in matrices)
    types: dict[str, float] = {}
    for x in sorted(matrices, key=lambda x: x.dtype):
        types[x.dtype] = types.get(x.dtype, 0) + x.num_elements / weights
    predictions = compare_logits(reference, model, prompts)
    solved, steps = solve_all(model, puzzles)
    return Row(
        name,
        path.stat().st_size,
        8 * sum(x.num_bytes for x in tensors) / sum(x.num_elements for x in tensors),
        types,
        solved,
        float(np.mean(steps)),
        predictions.mean_kl,
        predictions.argmax_agreement,
    )


def solve_all(model: gesso.Model, puzzles: list[str]) -> tuple[list[bool], list[int]]:
    """For each puzzle, whether it was solved and in how many steps."""
    solved, steps = [], []
    for first in range(0, len(puzzles), BATCH_SIZE):
        batch = puzzles[first : first + BATCH_SIZE]
        output = solve(model, batch, seed=0)
        solved += map(sudoku.solves, batch, output.texts)
        steps += [sum(canvases) for canvases in output.denoising_steps]
    return solved, steps


def markdown(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| preset | matrices | file | bits per weight | solved | steps per puzzle | KL, nats | same argmax |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        types = ", ".join(f"{dtype} {share:.0%}" for dtype, share in sorted(row.types.items(), key=lambda x: -x[1]))
        lines.append(
            f"| {row.preset} | {types} | {row.file_bytes / 1e6:.2f} MB | {row.bits_per_weight:.2f}"
            f" | {np.mean(row.solved):.1%} | {row.steps_per_puzzle:.2f}"
            f" | {row.mean_kl:.1e} | {row.argmax_agreement:.2%} |"
        )
    return lines


if __name__ == "__main__":
    main()
