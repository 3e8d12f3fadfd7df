"""The check of a wheel's files finds what it is there for."""

from zipfile import ZipFile

import pytest

from lint.check_wheel import foreign_libraries, problems, too_large, wrong_abi

GOOD = [
    "gesso-0.1.0.data/data/share/man/man1/gesso.1",
    "gesso/__init__.py",
    "gesso/__main__.py",
    "gesso/_native.abi3.so",
    "gesso/_native.pyi",
    "gesso/bundled/mini.gguf",
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


@pytest.mark.parametrize("module", ["gesso/_native.abi3.so", "gesso/_native.cpython-312-x86_64-linux-gnu.so"])
def test_a_module_for_one_version_is_found(module):
    names = [module if name == "gesso/_native.abi3.so" else name for name in GOOD]
    assert problems(names) == []
    found = [f"{module}: for one version of Python"] if "312" in module else []
    assert wrong_abi("gesso-0.1.0-cp312-abi3-linux_x86_64.whl", names) == found
    assert wrong_abi("gesso-0.1.0-cp312-cp312-linux_x86_64.whl", names) == []


def test_a_library_that_other_machines_lack_is_found():
    line = " 0x0000000000000001 (NEEDED)             Shared library: [{}]\n"
    names = ["libgesso.so.0", "libc.so.6", "libcuda.so.1"]
    text = "".join(line.format(name) for name in names)
    assert foreign_libraries(text, {"libgesso.so.0"}) == ["needs libcuda.so.1, which other machines lack"]
    assert foreign_libraries(text, {"libgesso.so.0", "libcuda.so.1"}) == []


@pytest.mark.parametrize(("content", "is_too_large"), [(b"ELF", True), (b"ELF .nv_fatbin", False)])
def test_a_large_wheel_is_found_unless_it_is_for_gpus(tmp_path, content, is_too_large):
    with ZipFile(tmp_path / "x.whl", "w") as wheel:
        wheel.writestr("gesso/lib/libgesso.so.0", content)
    with ZipFile(tmp_path / "x.whl") as wheel:
        assert bool(too_large(wheel, num_bytes=101, most=100)) == is_too_large
        assert too_large(wheel, num_bytes=100, most=100) == []
