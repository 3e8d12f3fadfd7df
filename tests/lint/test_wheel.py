"""The check of a wheel's files finds what it is there for."""

import pytest

from lint.check_wheel import problems

GOOD = [
    "gesso/__init__.py",
    "gesso/__main__.py",
    "gesso/_native.abi3.so",
    "gesso/_native.pyi",
    "gesso/bundled/sudoku-6x6.gguf",
    "gesso/py.typed",
]


def test_a_good_wheel_has_no_problems():
    assert problems(GOOD) == []


@pytest.mark.parametrize("name", ["gesso/_ops.cpython-311-x86_64-linux-gnu.so", "gesso/_emulator.abi3.so"])
def test_modules_for_tests_are_found(name):
    assert problems([*GOOD, name]) == [f"{name} is for tests only"]


@pytest.mark.parametrize("name", [name for name in GOOD if name != "gesso/__main__.py"])
def test_what_is_missing_is_found(name):
    assert len(problems([each for each in GOOD if each != name])) == 1
