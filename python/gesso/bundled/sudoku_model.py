"""The bundled model, and puzzles for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gesso._native import StepEvent
from gesso.bundled import sudoku
from gesso.model import Model
from gesso.result import GenerationOutput

BUNDLED = "sudoku-6x6.gguf"
NUM_GIVEN = sudoku.NUM_CELLS // 2
BATCH_SIZE = 25  # the demo solves this many puzzles at a time


def bundled_model() -> Path:
    path = Path(__file__).parent / BUNDLED
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: the bundled model is missing from this installation; name another one with --model FILE"
        )
    return path


def make_puzzles(seed: int, count: int) -> list[str]:
    """Makes puzzles with 18 of 36 cells given, from grids that are held out from training."""
    rng = np.random.default_rng(seed)
    grids = sudoku.random_grids(rng, count, held_out=True)
    return [sudoku.to_text(puzzle) for puzzle in sudoku.hide_cells(rng, grids, NUM_GIVEN)]


def solve(
    model: Model, puzzles: list[str], seed: int, on_step: Callable[[StepEvent], bool | None] | None = None
) -> GenerationOutput:
    return model.generate(puzzles, max_new_tokens=sudoku.NUM_CELLS, seed=seed, on_step=on_step)


def solutions(output: GenerationOutput) -> list[str]:
    """The texts of an output of `solve`, which a model without a tokenizer has not."""
    if output.texts is None:
        raise ValueError("not a Sudoku model: it has no tokenizer")
    return output.texts
