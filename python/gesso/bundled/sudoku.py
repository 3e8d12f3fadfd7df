"""6x6 Sudoku for the bundled model: random grids and puzzles, a checker of the rules, and how a grid is printed.

A grid is a uint8 array of 36 cells, row by row. A cell is 1 to 6, or 0 if it is hidden. Boxes have 2 rows and 3
columns. A grid's text has one character per cell: a digit, or "." for a hidden cell.

There are 28,200,960 full grids. Renaming the digits turns each of them into exactly one grid whose first row is 123456.
There are only 39,168 grids with this first row, so this module makes a list of them. A random grid of the list with
randomly renamed digits is a uniform draw from all full grids. One listed grid in sixteen is held out from training, and
so is every renaming of it.
"""

from __future__ import annotations

import itertools
import zlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

SIZE = 6
BOX_ROWS, BOX_COLUMNS = 2, 3
NUM_CELLS = SIZE * SIZE
HIDDEN = "."
HELD_OUT_SHARE = 16  # one listed grid in sixteen is held out

Grid = npt.NDArray[np.uint8]  # one grid [36], or several [count, 36]


def _units() -> npt.NDArray[np.int64]:
    """Returns the numbers of the cells of the 18 rows, columns and boxes: int64 [18, 6]."""
    cells = np.arange(NUM_CELLS).reshape(SIZE, SIZE)
    boxes = cells.reshape(SIZE // BOX_ROWS, BOX_ROWS, SIZE // BOX_COLUMNS, BOX_COLUMNS).transpose(0, 2, 1, 3)
    return np.concatenate([cells, cells.T, boxes.reshape(SIZE, SIZE)])


UNITS = _units()


@lru_cache(maxsize=1)
def listed_grids() -> Grid:
    """Returns all full grids whose first row is 123456: uint8 [39168, 36], in lexicographic order."""
    rows = np.array(list(itertools.permutations(range(1, SIZE + 1))), dtype=np.uint8)  # [720, 6]
    row_bits = 1 << rows  # digit d becomes the bit 1 << d
    row_halves = np.stack([row_bits[:, :BOX_COLUMNS].sum(1), row_bits[:, BOX_COLUMNS:].sum(1)], axis=1).astype(np.uint8)
    grids = rows[:1, None, :]  # [1, rows so far, 6]
    for row in range(1, SIZE):
        used = (1 << grids).sum(1).astype(np.uint8)  # the digits that each column has so far, as bits
        fits = np.ones((len(grids), len(rows)), dtype=bool)
        for column in range(SIZE):
            fits &= (used[:, None, column] & row_bits[None, :, column]) == 0
        if row % BOX_ROWS:  # the second row of a box has no digit that the first row of this box has
            above = 1 << grids[:, -1]
            for half, start in enumerate(range(0, SIZE, BOX_COLUMNS)):
                above_half = above[:, start : start + BOX_COLUMNS].sum(1).astype(np.uint8)
                fits &= (above_half[:, None] & row_halves[None, :, half]) == 0
        old, new = np.nonzero(fits)
        grids = np.concatenate([grids[old], rows[new][:, None, :]], axis=1)
    return np.ascontiguousarray(grids.reshape(-1, NUM_CELLS))


def to_text(grid: Grid) -> str:
    """Returns the 36 characters of a grid or puzzle."""
    return "".join(HIDDEN if cell == 0 else str(int(cell)) for cell in np.asarray(grid).ravel())


def from_text(text: str) -> Grid:
    """The inverse of `to_text`: returns uint8 [36]. Raises ValueError for a wrong length or character."""
    if len(text) != NUM_CELLS:
        raise ValueError(f"a {SIZE}x{SIZE} grid has {NUM_CELLS} characters, got {len(text)}")
    for place, character in enumerate(text):
        if character not in "123456" + HIDDEN:
            raise ValueError(f"cell {place} of a grid must be one of 1-6 or {HIDDEN!r}, got {character!r}")
    return np.array([0 if c == HIDDEN else int(c) for c in text], dtype=np.uint8)


def _listed_is_held_out(listed: Grid) -> bool:
    return zlib.crc32(to_text(listed).encode()) % HELD_OUT_SHARE == 0


@lru_cache(maxsize=2)
def _listed_split(held_out: bool) -> Grid:
    """Returns the held-out grids of `listed_grids`, or those for training."""
    grids = listed_grids()
    return grids[[_listed_is_held_out(grid) == held_out for grid in grids]]


def is_held_out(grid: Grid) -> bool:
    """Whether this full grid (36 cells) is held out: neither it nor a renaming of its digits is trained on."""
    grid = np.asarray(grid).ravel()
    if not is_valid(grid):
        raise ValueError(f"not a full valid grid: {to_text(grid)}")
    rename = np.zeros(SIZE + 1, dtype=np.uint8)
    rename[grid[:SIZE]] = np.arange(1, SIZE + 1)
    return _listed_is_held_out(rename[grid])


def random_grids(rng: np.random.Generator, count: int, *, held_out: bool) -> Grid:
    """Draws `count` full grids uniformly from the held-out grids or from the others: uint8 [count, 36]."""
    pool = _listed_split(held_out)
    grids = pool[rng.integers(len(pool), size=count)]
    names = rng.permuted(np.tile(np.arange(1, SIZE + 1, dtype=np.uint8), (count, 1)), axis=1)
    return np.take_along_axis(names, grids.astype(np.int64) - 1, axis=1)


def hide_cells(rng: np.random.Generator, grids: Grid, num_given: npt.NDArray[np.integer] | int) -> Grid:
    """Keeps `num_given` random cells of each grid and hides the others: uint8 [count, 36].

    num_given: one number for all grids, or an array with one number per grid.
    """
    order = rng.random(grids.shape).argsort(axis=1).argsort(axis=1)  # a random rank 0..35 for each cell
    return np.where(order < np.reshape(num_given, (-1, 1)), grids, 0).astype(np.uint8)


def is_valid(grid: Grid) -> bool:
    """Whether a grid is full and has each digit once in every row, column and box."""
    grid = np.asarray(grid).ravel()
    if grid.shape != (NUM_CELLS,):
        return False
    return bool((np.sort(grid[UNITS], axis=1) == np.arange(1, SIZE + 1)).all())


def solves(puzzle: str | Grid, answer: str | Grid) -> bool:
    """Whether `answer` is a full valid grid that keeps every given cell of `puzzle`.

    A puzzle may have several solutions, and each of them counts. An answer with a wrong length or other characters is
    not a solution. If the text of a puzzle has a wrong length or other characters, ValueError is raised.
    """
    puzzle = from_text(puzzle) if isinstance(puzzle, str) else np.asarray(puzzle).ravel()
    if isinstance(answer, str):
        try:
            answer = from_text(answer)
        except ValueError:
            return False
    answer = np.asarray(answer).ravel()
    if not is_valid(answer):
        return False
    given = puzzle != 0
    return bool((answer[given] == puzzle[given]).all())


def pretty(text: str) -> str:
    """Prints the 36 cells of a grid as 6 lines, with lines between the boxes. A cell may be any character."""
    if len(text) != NUM_CELLS:
        raise ValueError(f"a {SIZE}x{SIZE} grid has {NUM_CELLS} characters, got {len(text)}")
    bar = "+".join(["-" * (2 * BOX_COLUMNS + 1)] * (SIZE // BOX_COLUMNS))
    lines = []
    for row in range(SIZE):
        if row and row % BOX_ROWS == 0:
            lines.append(bar)
        cells = text[row * SIZE : (row + 1) * SIZE]
        boxes = [" ".join(cells[i : i + BOX_COLUMNS]) for i in range(0, SIZE, BOX_COLUMNS)]
        lines.append(" " + " | ".join(boxes) + " ")
    return "\n".join(lines)
