"""What a wheel holds: the native module, and nothing that only tests need. `make wheel` calls this."""

import sys
from pathlib import Path
from zipfile import ZipFile


def problems(names: list[str]) -> list[str]:
    """One line for each thing that is wrong with a wheel of these files."""
    modules = [name for name in names if name.startswith("gesso/_")]
    found = [f"{name} is for tests only" for name in modules if not name.startswith(("gesso/__", "gesso/_native"))]
    if not any(name.startswith("gesso/_native.") and name.endswith((".so", ".pyd")) for name in modules):
        found.append("gesso/_native is missing")
    # Type checkers read a package's types only where py.typed stands beside them.
    for name in ("gesso/__init__.py", "gesso/py.typed", "gesso/_native.pyi", "gesso/bundled/sudoku-6x6.gguf"):
        if name not in names:
            found.append(f"{name} is missing")
    return found


def main(paths: list[str]) -> int:
    if not paths:
        print("expected the path of a wheel")
        return 2
    status = 0
    for path in map(Path, paths):
        found = problems(ZipFile(path).namelist())
        print("\n".join(f"{path.name}: {line}" for line in found or [f"{path.stat().st_size} bytes, as it should be"]))
        status |= bool(found)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
