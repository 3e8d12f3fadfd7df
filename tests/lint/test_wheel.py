"""The check of a wheel's files finds what it is there for."""

from zipfile import ZipFile

import pytest

from lint.check_wheel import problems, too_large

GOOD = [
    "gesso/__init__.py",
    "gesso/__main__.py",
    "gesso/_native.abi3.so",
    "gesso/_native.pyi",
    "gesso/bundled/sudoku-6x6.gguf",
    "gesso/include/gesso/gesso.h",
    "gesso/include/gesso/model.h",
    "gesso/lib/cmake/gesso/gessoConfig.cmake",
    "gesso/lib/cmake/gesso/gessoConfigVersion.cmake",
    "gesso/lib/libgesso.so.0",
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


def test_a_second_copy_of_the_library_is_found():
    """A wheel has no links: a file of the link's name would be as large again."""
    assert len(problems([*GOOD, "gesso/lib/libgesso.so"])) == 1


@pytest.mark.parametrize(("content", "is_too_large"), [(b"ELF", True), (b"ELF .nv_fatbin", False)])
def test_a_large_wheel_is_found_unless_it_is_for_gpus(tmp_path, content, is_too_large):
    with ZipFile(tmp_path / "x.whl", "w") as wheel:
        wheel.writestr("gesso/lib/libgesso.so.0", content)
    with ZipFile(tmp_path / "x.whl") as wheel:
        assert bool(too_large(wheel, num_bytes=101, most=100)) == is_too_large
        assert too_large(wheel, num_bytes=100, most=100) == []
