"""The C interface: gesso.h is C99 and C++20, each of its functions has a test, and documented programs compile."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"
HEADER = INCLUDE / "gesso" / "gesso.h"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wstrict-prototypes", "-Wconversion", "-Werror"]
C_COMPILERS = ("cc", "gcc", "clang", "aarch64-linux-gnu-gcc", "x86_64-w64-mingw32-gcc")
FUNCTION = re.compile(r"^GESSO_API [^;(]*?\b(gesso_\w+)\(", re.MULTILINE)


def compile_text(command: list[str], text: str) -> str:
    """What a compiler says about a source. It writes no file."""
    done = subprocess.run([*command, "-I", INCLUDE, "-fsyntax-only", "-"], input=text, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def available(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if shutil.which(name)]


def untested(functions: set[str], tests: str) -> set[str]:
    """The functions that no test calls, or hands to something that does."""
    return {name for name in functions if not re.search(rf"\b{name}\b", tests)}


def functions() -> set[str]:
    return set(FUNCTION.findall(HEADER.read_text(encoding="utf-8")))


def undescribed(header: str) -> list[str]:
    """What a stranger would have to guess: functions and callbacks without a comment in front of them or of the ones
    that they stand below, objects without a rule for threads, and objects that nothing frees.

    The rules at the top of the header hold for all, for example that the caller frees what is in *out.
    """
    found, comment = [], ""
    for part in re.findall(
        r"/\*.*?\*/|^\n|^(?:GESSO_API|typedef)\b[^;{]*(?:;|\{.*?^\} \w+;)", header, re.MULTILINE | re.DOTALL
    ):
        if part.startswith("/*"):
            comment = part
        elif part == "\n":
            comment = ""
        elif opaque := re.fullmatch(r"typedef struct (gesso_\w+) \1;", part):
            if "thread" not in comment:
                found.append(f"{opaque[1]}: no rule for threads")
            if not re.search(rf"void {opaque[1]}_free\(", header):
                found.append(f"{opaque[1]}: nothing frees it")
        elif re.match(r"GESSO_API|typedef [^{]*\(\*gesso_\w+\)\(", part):
            name = re.search(r"\b(gesso_\w+)\)?\(", part)[1]
            if not comment and not name.endswith("_free"):
                found.append(f"{name}: no comment")
    return found


def c_blocks(page: Path) -> list[str]:
    return re.findall(r"^```c\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(not available(C_COMPILERS), reason="needs a C compiler")
def test_the_header_is_c99():
    for compiler in available(C_COMPILERS):
        assert compile_text([compiler, "-xc", "-std=c99", *WARNINGS], '#include "gesso/gesso.h"\n') == ""


@pytest.mark.skipif(not available(C_COMPILERS), reason="needs a C compiler")
def test_the_compilers_warn():
    problem = compile_text(
        ["cc", "-xc", "-std=c99", *WARNINGS], '#include "gesso/gesso.h"\nint f() { return 1LL << 40; }'
    )
    assert "strict-prototypes" in problem


@pytest.mark.skipif(not available(("c++",)), reason="needs a C++ compiler")
@pytest.mark.parametrize("header", sorted(path.name for path in (INCLUDE / "gesso").glob("*.h")))
def test_each_header_is_cpp20_by_itself(header):
    warnings = [flag for flag in WARNINGS if flag not in {"-Wstrict-prototypes", "-Wconversion"}]
    assert compile_text(["c++", "-xc++", "-std=c++20", *warnings], f'#include "gesso/{header}"\n') == ""


def test_each_function_has_a_test():
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests/native").glob("*c_*"))
    assert len(functions()) > 100
    assert untested(functions(), tests) == set()
    assert untested({"gesso_version", "gesso_versio"}, "x = gesso_version();") == {"gesso_versio"}


def test_everything_in_the_header_is_described():
    assert undescribed(HEADER.read_text(encoding="utf-8")) == []


def test_what_is_not_described_is_found():
    good = """
/* Any number of threads may use it. */
typedef struct gesso_a gesso_a;
typedef struct gesso_b {
  int c;
} gesso_b;
/* Makes one. */
GESSO_API int gesso_a_make(gesso_a** out,
                           int size);
GESSO_API int gesso_a_copy(gesso_a** out);
GESSO_API void gesso_a_free(gesso_a* a);
"""
    assert undescribed(good) == []
    assert undescribed(good.replace("Any number of threads", "Anybody")) == ["gesso_a: no rule for threads"]
    assert undescribed(good.replace("gesso_a_free", "gesso_a_drop")) == ["gesso_a: nothing frees it"]
    assert undescribed(good + "\nGESSO_API int gesso_d(void);\n") == ["gesso_d: no comment"]
    assert undescribed(good + "\ntypedef int (*gesso_e)(void*);\n") == ["gesso_e: no comment"]


@pytest.mark.skipif(not available(C_COMPILERS), reason="needs a C compiler")
@pytest.mark.parametrize("page", ["docs/c_api.md", "README.md"])
def test_documented_programs_compile(page):
    blocks = c_blocks(ROOT / page)
    assert blocks
    for block in blocks:
        assert compile_text(["cc", "-xc", "-std=c99", *WARNINGS], block) == ""


def test_documented_functions_exist():
    """Names with a star stand for all that begin so."""
    page = (ROOT / "docs/c_api.md").read_text(encoding="utf-8")
    names = set(re.findall(r"\bgesso_\w+(?![\w*])", page))
    header = HEADER.read_text(encoding="utf-8")
    missing = {name for name in names if not re.search(rf"\b{name}", header)}
    assert missing == set()
