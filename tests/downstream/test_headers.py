"""The public headers compile with warnings as errors, gesso.h also as C99, with every compiler that is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

INCLUDE = Path(__file__).parents[2] / "include"
HEADERS = sorted(path.name for path in (INCLUDE / "gesso").glob("*.h"))
IN_C = ["gesso.h"]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror", "-fsyntax-only"]
# The compilers for C and C++. Those for Windows read the headers alone: the library does not run there yet.
COMPILERS = {
    "gcc": ("gcc", "g++"),
    "clang": ("clang-19", "clang++-19"),
    "aarch64": ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-g++"),
    "mingw": ("x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-g++"),
}


def compile_headers(command: list[str], standard: str, headers) -> None:
    source = "".join(f'#include "gesso/{name}"\n' for name in headers)
    language = "c" if standard == "c99" else "c++"
    whole = [*command, f"-std={standard}", *WARNINGS, f"-I{INCLUDE}", f"-x{language}", "-"]
    done = subprocess.run(whole, input=source, text=True, capture_output=True)
    assert done.returncode == 0, f"{headers}: {done.stderr}"


@pytest.mark.parametrize("name", COMPILERS)
def test_headers(name):
    in_c, in_cpp = COMPILERS[name]
    if not shutil.which(in_c) or not shutil.which(in_cpp):
        pytest.skip(f"needs {in_c} and {in_cpp}, which are not installed here")
    compile_headers([in_c], "c99", IN_C)
    compile_headers([in_cpp], "c++20", HEADERS)


@pytest.mark.parametrize(
    ("flag", "symbol"),
    [("-UGESSO_STATIC", "U __imp_gesso_version"), ("-DGESSO_STATIC", "U gesso_version")],
    ids=["of a DLL", "of a static library"],
)
def test_a_function_for_windows(tmp_path, flag, symbol):
    """The headers say where a function is: a DLL is asked for it in another way than a static library."""
    if not shutil.which("x86_64-w64-mingw32-gcc"):
        pytest.skip("needs x86_64-w64-mingw32-gcc, which is not installed here")
    source = '#include "gesso/gesso.h"\nconst char* version(void) { return gesso_version(); }\n'
    command = ["x86_64-w64-mingw32-gcc", flag, f"-I{INCLUDE}", "-xc", "-c", "-", "-o", tmp_path / "a.o"]
    subprocess.run(command, input=source, text=True, check=True)
    shown = subprocess.run(["x86_64-w64-mingw32-nm", tmp_path / "a.o"], text=True, capture_output=True, check=True)
    assert symbol in shown.stdout


def test_the_functions_of_a_dll_are_shown(tmp_path):
    if not shutil.which("x86_64-w64-mingw32-g++"):
        pytest.skip("needs x86_64-w64-mingw32-g++, which is not installed here")
    source = '#include "gesso/gesso.h"\nconst char* gesso_version(void) { return "0"; }\n'
    command = ["x86_64-w64-mingw32-g++", "-DGESSO_BUILDING", f"-I{INCLUDE}", "-xc++", "-c", "-", "-o", tmp_path / "a.o"]
    subprocess.run(command, input=source, text=True, check=True)
    assert b'-export:"gesso_version"' in (tmp_path / "a.o").read_bytes()


def test_the_c_header_for_windows():
    """clang knows the types of Windows, whose long has 32 bits, also without headers of Windows."""
    if not shutil.which("clang++-19"):
        pytest.skip("needs clang 19, which is not installed here")
    for target in ("x86_64-w64-mingw32", "x86_64-pc-windows-msvc"):
        for compiler, standard in (("clang-19", "c99"), ("clang++-19", "c++20")):
            compile_headers([compiler, f"--target={target}", "-ffreestanding"], standard, IN_C)
