"""The Sudoku rules, the generator of grids and the grids that are held out from training."""

import numpy as np
import pytest

from gesso.bundled import sudoku

SOLUTION = "123456456123231564564231312645645312"


def test_the_list_of_grids_is_complete_and_valid():
    grids = sudoku.listed_grids()
    # It is known that there are 28,200,960 grids of 6x6 with boxes of 2x3. Each listed grid has 720 renamings.
    assert len(grids) * 720 == 28_200_960
    assert grids.dtype == np.uint8
    assert (np.sort(grids[:, sudoku.UNITS], axis=2) == np.arange(1, 7)).all()
    assert len(np.unique(grids, axis=0)) == len(grids)
    assert (grids[:, :6] == np.arange(1, 7)).all()


def test_units_are_rows_columns_and_boxes_of_two_by_three():
    assert sudoku.UNITS.shape == (18, 6)
    assert sudoku.UNITS[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert sudoku.UNITS[6].tolist() == [0, 6, 12, 18, 24, 30]
    assert sudoku.UNITS[12].tolist() == [0, 1, 2, 6, 7, 8]
    assert sudoku.UNITS[17].tolist() == [27, 28, 29, 33, 34, 35]


@pytest.mark.parametrize("held_out", [False, True])
def test_random_grids_are_valid_and_on_their_side_of_the_split(held_out):
    grids = sudoku.random_grids(np.random.default_rng(1), 300, held_out=held_out)
    assert grids.shape == (300, 36)
    assert all(sudoku.is_valid(grid) for grid in grids)
    assert all(sudoku.is_held_out(grid) == held_out for grid in grids)
    assert len(np.unique(grids, axis=0)) > 295
    assert len(np.unique(grids[:, 0])) == 6  # the digits are renamed; all listed grids begin with 1


def test_renaming_digits_does_not_leave_the_held_out_set():
    grid = sudoku.random_grids(np.random.default_rng(2), 1, held_out=True)[0]
    rename = np.array([0, 4, 6, 1, 3, 5, 2], dtype=np.uint8)
    assert sudoku.is_held_out(rename[grid])


def test_about_one_grid_in_sixteen_is_held_out():
    share = len(sudoku._listed_split(True)) / len(sudoku.listed_grids())
    assert 0.05 < share < 0.08
    assert len(sudoku._listed_split(True)) + len(sudoku._listed_split(False)) == len(sudoku.listed_grids())


def test_the_same_seed_gives_the_same_puzzles():
    def puzzles(seed):
        rng = np.random.default_rng(seed)
        return sudoku.hide_cells(rng, sudoku.random_grids(rng, 20, held_out=True), 18)

    assert (puzzles(5) == puzzles(5)).all()
    assert (puzzles(5) != puzzles(6)).any()


def test_hiding_keeps_exactly_the_given_number_of_cells():
    rng = np.random.default_rng(3)
    grids = sudoku.random_grids(rng, 50, held_out=False)
    counts = rng.integers(0, 37, size=50)
    puzzles = sudoku.hide_cells(rng, grids, counts)
    assert ((puzzles != 0).sum(axis=1) == counts).all()
    assert ((puzzles == 0) | (puzzles == grids)).all()
    assert ((sudoku.hide_cells(rng, grids, 18) != 0).sum(axis=1) == 18).all()


def test_text_round_trip_and_its_errors():
    text = "." * 18 + SOLUTION[18:]
    assert sudoku.to_text(sudoku.from_text(text)) == text
    with pytest.raises(ValueError, match="36 characters, got 35"):
        sudoku.from_text(text[1:])
    with pytest.raises(ValueError, match="cell 0 .* got '7'"):
        sudoku.from_text("7" + text[1:])


def test_solves_accepts_only_full_valid_grids_that_keep_the_given_cells():
    puzzle = SOLUTION[:10] + "." * 26
    assert sudoku.solves(puzzle, SOLUTION)
    assert sudoku.solves(sudoku.from_text(puzzle), sudoku.from_text(SOLUTION))
    assert not sudoku.solves("2" + puzzle[1:], SOLUTION), "a given cell was changed"
    assert not sudoku.solves(puzzle, SOLUTION[:-1] + "."), "a cell is open"
    assert not sudoku.solves(puzzle, SOLUTION[:-2] + "21"), "two cells are swapped"
    assert not sudoku.solves(puzzle, SOLUTION[:-1]), "a cell is missing"
    assert not sudoku.solves(puzzle, "no grid at all"), "other text"
    with pytest.raises(ValueError):
        sudoku.solves("too short", SOLUTION)


def test_solves_accepts_every_solution_of_an_ambiguous_puzzle():
    empty = "." * 36
    for grid in sudoku.listed_grids()[:: len(sudoku.listed_grids()) // 5]:
        assert sudoku.solves(empty, sudoku.to_text(grid))


def test_is_valid_checks_rows_columns_and_boxes():
    rows_and_columns_only = np.add.outer(np.arange(6), np.arange(6)).ravel() % 6 + 1
    assert not sudoku.is_valid(rows_and_columns_only)
    assert not sudoku.is_valid(np.ones(36))
    assert not sudoku.is_valid(np.arange(5))


def test_pretty_has_lines_between_boxes():
    lines = sudoku.pretty(SOLUTION).split("\n")
    assert lines[0] == " 1 2 3 | 4 5 6 "
    assert lines[2] == "-------+-------"
    assert len(lines) == 8
    with pytest.raises(ValueError):
        sudoku.pretty("12")
