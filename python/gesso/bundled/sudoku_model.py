"""The bundled model, and puzzles for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gesso.bundled import sudoku
from gesso.model import Model

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


def solve(model: Model, puzzles: list[str], seed: int, **callbacks: Any) -> Any:
    return model.generate(puzzles, max_new_tokens=sudoku.NUM_CELLS, seed=seed, **callbacks)
