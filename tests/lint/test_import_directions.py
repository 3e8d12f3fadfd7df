"""Imports of the Python package go in one direction only. The table of rooms in HACKING.md is checked for every import.

cli -> cli/parts -> talk -> terminal -> measure, bundled -> the API (gesso/*.py)
                '-> manual -> files
the API -> files/hf -> files -> hub -> the native module
    '-> templates, calls, notebook
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = re.compile(r"^def add_parser\(", re.MULTILINE)  # what a module of a subcommand has
# Every module may import them: the compiled module, and functions on texts, which import nothing of gesso.
FREE = {"_native", "measure.text"}
API = "."  # the modules of gesso/ itself
MOST_MODULES = 16
MOST_COMMANDS = 20

# What commands may import.
COMMANDS = {
    *(API, "hub", "files", "files/hf", "synth", "bundled", "measure", "calls", "templates"),
    *("terminal", "talk", "manual"),
}
# What the modules of each room, a folder of python/gesso, may import besides their own room.
ALLOWED = {
    "hub": set(),
    "files": {"hub"},
    "files/hf": {"files"},
    "synth": {"files", "files/hf"},
    "templates": set(),
    "calls": {"files", "templates"},
    "notebook": set(),
    API: {"hub", "files", "files/hf", "templates", "calls", "notebook"},
    "bundled": {API},
    "measure": {API, "files", "files/hf", "synth"},
    "terminal": {API, "files", "calls", "measure", "notebook"},
    "talk": {API, "files", "calls", "templates", "notebook", "measure", "terminal"},
    "manual": {"files"},
    "cli/parts": COMMANDS,
    "cli": COMMANDS | {"cli/parts"},
}


def modules(package: Path) -> dict[str, Path]:
    """Each module's dotted name below gesso and its file: "files.hf.folder", "files" for files/__init__.py, "" for
    gesso/__init__.py."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(package: Path, path: Path) -> str:
    if path.name == "__main__.py":  # `python -m gesso` runs the command
        return "cli"
    return path.parent.relative_to(package).as_posix()


def imported(path: Path, known: dict[str, Path]) -> list[str]:
    """The dotted names below gesso that a file imports, at its top or inside functions."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise ValueError(f"{path}: relative import")
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole.removeprefix("gesso.") in known or alias.name in FREE
                names.append(whole if is_module else node.module or "")
    below = [name for name in names if name == "gesso" or name.startswith("gesso.")]
    return [name.removeprefix("gesso").removeprefix(".") for name in below]


def violations(package: Path) -> list[str]:
    """One line for every import in the wrong direction."""
    known, found = modules(package), []
    commands = {name for name, path in known.items() if COMMAND.search(path.read_text(encoding="utf-8"))}
    for name, path in known.items():
        room = room_of(package, path)
        if room not in ALLOWED:
            found.append(f"{path.relative_to(package)}: room {room} is not in the table of {Path(__file__).name}")
            continue
        for target in imported(path, known):
            if name in FREE:
                found.append(f"{path.relative_to(package)}: every module may import it, so it imports nothing")
            if target in FREE or target == name:
                continue
            if target not in known:
                found.append(f"{path.relative_to(package)}: gesso.{target} does not exist")
                continue
            other = room_of(package, known[target])
            if other != room and other not in ALLOWED[room]:
                found.append(f"{path.relative_to(package)}: {room} must not import gesso.{target}")
            elif target in commands and name not in ("cli", "cli.program"):
                found.append(f"{path.relative_to(package)}: nothing but cli.program imports the command gesso.{target}")
    return found


def crowded_rooms(package: Path) -> list[str]:
    """Rooms with more modules than a reader can keep in mind."""
    counts: dict[str, int] = {}
    for path in modules(package).values():
        counts[room_of(package, path)] = counts.get(room_of(package, path), 0) + 1
    most = {room: MOST_COMMANDS if room == "cli" else MOST_MODULES for room in counts}
    return [f"{room}: {count} modules, at most {most[room]}" for room, count in counts.items() if count > most[room]]


@pytest.mark.parametrize("check", [violations, crowded_rooms])
def test_the_package(check):
    assert check(ROOT / "python/gesso") == []


def test_all_modules_were_read():
    known = modules(ROOT / "python/gesso")
    assert len(known) > 40
    assert {room_of(ROOT / "python/gesso", path) for path in known.values()} == ALLOWED.keys()


GOOD = {
    "__init__.py": "from gesso.loading import load\n",
    "loading.py": "import numpy as np\nfrom gesso import _native\nfrom gesso.files import tensor\n",
    "files/__init__.py": "",
    "files/tensor.py": "from gesso import _native\n",
    "files/hf/folder.py": "from gesso.files.tensor import Tensor\n",
    "synth/tensors.py": "import gesso.files.tensor\n",
    "measure/bench.py": "from gesso.loading import load\n",
    "cli/bench.py": "from gesso import load\nfrom gesso.measure.bench import measure\ndef add_parser():\n  pass\n",
    "cli/program.py": "from gesso.cli import bench\n",
}


def plant(package: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    return package


def test_a_clean_package_has_no_violations(tmp_path):
    assert violations(plant(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("file", "line", "problem"),
    [
        ("loading.py", "from gesso.cli import bench", ". must not import gesso.cli.bench"),
        ("loading.py", "import gesso.measure.bench", ". must not import gesso.measure.bench"),
        ("files/tensor.py", "from gesso.loading import load", "files must not import gesso.loading"),
        ("files/tensor.py", "from gesso import loading", "files must not import gesso.loading"),
        ("files/tensor.py", "from gesso import load", "files must not import gesso."),
        (
            "files/tensor.py",
            "def f():\n    from gesso.files.hf.folder import x",
            "must not import gesso.files.hf.folder",
        ),
        ("synth/tensors.py", "from gesso.loading import load", "synth must not import"),
        ("measure/bench.py", "from gesso.cli.bench import run", "measure must not import"),
        ("measure/text.py", "import gesso.measure.text", "so it imports nothing"),
        ("cli/bench.py", "from gesso.gone import x", "gesso.gone does not exist"),
        ("cli/run.py", "from gesso.cli.bench import run", "nothing but cli.program imports the command"),
        ("extra/a.py", "import numpy", "room extra is not in the table"),
    ],
)
def test_a_planted_wrong_import_is_caught(tmp_path, file, line, problem):
    found = violations(plant(tmp_path, GOOD | {file: line + "\n"}))
    assert len(found) == 1
    assert found[0].startswith(file)
    assert problem in found[0]


def test_a_crowded_room_is_found(tmp_path):
    plant(
        tmp_path,
        {f"measure/m{i}.py": "" for i in range(MOST_MODULES)} | {f"cli/c{i}.py": "" for i in range(MOST_COMMANDS)},
    )
    assert crowded_rooms(tmp_path) == []
    plant(tmp_path, {"measure/one_more.py": "", "cli/one_more.py": ""})
    assert len(crowded_rooms(tmp_path)) == 2
