"""Prints what the repository's structure costs a reader, as numbers: `make counts`.

The numbers say how many source files one generation option touches, how often an op's signature is written, how many
imports point up, and how many modules a folder has. The tests beside this file hold the bounds; this script shows how
far away they are.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import test_import_directions
import test_include_directions

ROOT = Path(__file__).resolve().parents[2]
OPTION = "stability_threshold"  # an option like any other
SOURCES = ("csrc", "include", "python/gesso", "python/bindings")
SUFFIXES = {".h", ".cpp", ".cu", ".cuh", ".py", ".pyi"}


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES]


def files_of_option() -> list[str]:
    """Source files that name the option."""
    return [str(path.relative_to(ROOT)) for path in sources(*SOURCES) if OPTION in path.read_text(encoding="utf-8")]


def signatures_of(op: str) -> int:
    """How often the parameters of an op are written, declarations and definitions together."""
    pattern = re.compile(rf"^(?:void {op}\(const Context&|GESSO_OP\({op},)", re.MULTILINE)
    return sum(len(pattern.findall(path.read_text(encoding="utf-8"))) for path in sources("csrc"))


def modules_per_folder() -> dict[str, int]:
    """Folder -> modules in it. A header and the file that implements it are one module."""
    names = {
        (str(path.parent.relative_to(ROOT)), path.name.split(".")[0])
        for path in sources("csrc", "include", "python", "tests")
        if path.name != "__init__.py"
    }
    return dict(Counter(folder for folder, _ in names).most_common())


def main() -> None:
    option = files_of_option()
    print(f"files that name the option {OPTION}: {len(option)}")
    print("".join(f"  {name}\n" for name in option), end="")
    for op in ("linear", "qk_norm_rope", "head_stats", "expert_gated_linear"):
        print(f"times the signature of {op} is written: {signatures_of(op)}")
    print(f"includes that point up: {len(test_include_directions.violations(ROOT))}")
    print(f"imports that point up: {len(test_import_directions.violations(ROOT / 'python/gesso'))}")
    print("modules per folder:")
    for folder, count in modules_per_folder().items():
        if count >= 10:
            print(f"  {count:3d}  {folder}")


if __name__ == "__main__":
    main()
