"""What a wheel holds: the native module, the library and the headers for others, and nothing that only tests need.
`make wheel` calls this."""

import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

# What C and C++ programs are built with, besides the headers.
FOR_OTHERS = (
    "gesso/include/gesso/gesso.h",
    "gesso/include/gesso/model.h",
    "gesso/lib/libgesso*",
    "gesso/lib/cmake/gesso/gessoConfig.cmake",
    "gesso/lib/cmake/gesso/gessoConfigVersion.cmake",
)
MOST_BYTES = 15_000_000
# What every Linux has: PEP 600 counts these among the libraries of the system.
SYSTEM_LIBRARIES = {
    *("libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libgcc_s.so.1", "libstdc++.so.6"),
    *("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"),
}


def problems(names: list[str]) -> list[str]:
    """One line for each thing that is wrong with a wheel of these files."""
    modules = [name for name in names if name.startswith("gesso/_")]
    found = [f"{name} is for tests only" for name in modules if not name.startswith(("gesso/__", "gesso/_native"))]
    if not any(name.startswith("gesso/_native.") and name.endswith((".so", ".pyd")) for name in modules):
        found.append("gesso/_native is missing")
    # Type checkers read a package's types only where py.typed stands beside them.
    models = (f"gesso/bundled/{name}.gguf" for name in ("mini", "sudoku-6x6"))
    for name in ("gesso/__init__.py", "gesso/py.typed", "gesso/_native.pyi", *models):
        if name not in names:
            found.append(f"{name} is missing")
    if not any(fnmatch(name, "gesso-*.data/data/share/man/man1/gesso.1") for name in names):
        found.append("the manual page is missing")
    for pattern in FOR_OTHERS:
        if not any(fnmatch(name, pattern) for name in names):
            found.append(f"{pattern} is missing")
    libraries = [name for name in names if fnmatch(name, "gesso/lib/libgesso*")]
    if len(libraries) > 1:
        found.append(f"the library is there {len(libraries)} times: {' '.join(libraries)}")
    return found


def too_large(wheel: ZipFile, num_bytes: int, most: int = MOST_BYTES) -> list[str]:
    """One line if a wheel without code for GPUs has more bytes. One with such code is many times as large."""
    has_gpu_code = any(b".nv_fatbin" in wheel.read(name) for name in wheel.namelist() if ".so" in name)
    return [f"{num_bytes} bytes, expected at most {most}"] if num_bytes > most and not has_gpu_code else []


def wrong_abi(wheel: str, names: list[str]) -> list[str]:
    """One line if a wheel that is for later versions of Python, too, by its name has a module for one version."""
    modules = [name for name in names if name.startswith("gesso/_native.") and name.endswith(".so")]
    return [f"{name}: for one version of Python" for name in modules if "-abi3-" in wheel and ".abi3." not in name]


def foreign_libraries(text: str, own: set[str]) -> list[str]:
    """One line for each library that a module needs and that neither the system nor the wheel has. Such a one is
    libcuda.so.1, which only a machine with a driver has."""
    needed = [line.split("[")[1].split("]")[0] for line in text.splitlines() if "(NEEDED)" in line]
    return [f"needs {name}, which other machines lack" for name in needed if name not in SYSTEM_LIBRARIES | own]


def readelf(path: Path) -> str:
    """The program headers, the dynamic section and the dynamic symbols."""
    command = ["readelf", "--wide", "--program-headers", "--dynamic", "--dyn-syms", str(path)]
    environment = os.environ | {"LC_ALL": "C"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def missing_protections(text: str) -> list[str]:
    """One line for each protection of cmake/hardening.cmake that is not in effect, by the output of readelf."""
    lines = [line.split() for line in text.splitlines()]
    stacks = [words for words in lines if words[:1] == ["GNU_STACK"]]
    found = []
    if not stacks or any("E" in words[6] for words in stacks):  # type, offset, two addresses, two sizes, flags
        found.append("the stack is executable")
    if not any(words[:1] == ["GNU_RELRO"] for words in lines):
        found.append("no RELRO: tables of addresses stay writable")
    if not any(
        ("(FLAGS)" in words and "BIND_NOW" in words) or ("(FLAGS_1)" in words and "NOW" in words) for words in lines
    ):
        found.append("no BIND_NOW: addresses of functions are looked up, and written, while the program runs")
    if any("(TEXTREL)" in words for words in lines):
        found.append("relocations in the code")
    symbols = [words[7].split("@")[0] for words in lines if len(words) >= 8 and words[0].rstrip(":").isdecimal()]
    if "__stack_chk_fail" not in symbols:
        found.append("no stack protector")
    if not any(symbol.endswith("_chk") for symbol in symbols):
        found.append("no checks of _FORTIFY_SOURCE")
    return found


def wrong_modules(wheel: ZipFile) -> list[str]:
    """One line for each hardening flag that a module of a wheel for Linux lacks, and for each library."""
    found, own = [], {Path(name).name for name in wheel.namelist()}
    with TemporaryDirectory() as folder:
        for name in wheel.namelist():
            if (name.endswith(".so") or ".so." in name) and sys.platform == "linux":
                text = readelf(Path(wheel.extract(name, folder)))
                found += [f"{name}: {line}" for line in missing_protections(text) + foreign_libraries(text, own)]
    return found


def main(paths: list[str]) -> int:
    if not paths:
        print("expected the path of a wheel")
        return 2
    status = 0
    for path in map(Path, paths):
        with ZipFile(path) as wheel:
            names = wheel.namelist()
            found = problems(names) + wrong_abi(path.name, names) + wrong_modules(wheel)
            found += too_large(wheel, path.stat().st_size)
        print("\n".join(f"{path.name}: {line}" for line in found or [f"{path.stat().st_size} bytes, as it should be"]))
        status |= bool(found)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
