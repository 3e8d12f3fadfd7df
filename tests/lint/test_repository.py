"""The shape of the repository: sizes of files and folders, the first lines of headers, and the place of every op."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHES = {"__pycache__", ".cache", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
NOT_OURS = {".git", ".venv", "build", *CACHES}
SOURCES = {".h", ".cpp", ".cu", ".cuh", ".py"}
MAX_LINES = 300
MAX_TEST_LINES = 450
# What is longer, and why it stays one file. The lint also says when an entry is no longer needed.
LONGER = {
    "include/gesso/gesso.h": "the whole C interface is one header, as C programs expect",
    "csrc/cpu/kernels/panel_decoders.cpp": "the same decoder for a dozen formats",
    "python/training/train_sudoku.py": "a script that ran once, kept to show what the bundled model is",
    "tools/gesso_bench.cpp": "a whole program in one file, so that others can copy it",
    "tools/gesso_cli.cpp": "a whole program in one file, so that others can copy it",
}
# Modules in a folder of csrc: a header and its source are one. The lists of ops are as long as there are ops.
# test_import_directions.py has the same for the package.
MAX_MODULES = 20
LISTS_OF_OPS = ("csrc/ops", "csrc/cpu", "csrc/cuda")
MAX_BYTES = 8 << 20
# Headers of ops/ that declare no op: shared checks and types, parts of a device besides its ops, and measurements.
NO_OPS = {
    "op",
    "activations",
    "check",
    "expert_check",
    "weight",
    "device",
    "current_device",
    "dispatch",
    "memory",
    "replay",
    "ceilings",
    "profile_span",
    "stopwatch",
    "trace_range",
    "work",
}
# A header declares one op. rms_norm_add is rms_norm with its result added to a residual: one kernel, one test.
TWINS = {"rms_norm": {"rms_norm_add"}}
# The files of an op. An op without a kernel of its own has a .cpp in csrc/cuda.
OP_FILES = (("csrc/ops/{}.cpp",), ("csrc/cpu/{}.cpp",), ("csrc/cuda/{}.cu", "csrc/cuda/{}.cpp"))


def files(root: Path):
    """All files that belong to the repository."""
    for path in sorted(root.iterdir()):
        if path.name in NOT_OURS or path.name.endswith(".egg-info") or path.is_symlink():
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


def long_files(root: Path) -> list[str]:
    """Sources that are so long that they probably hold more than one idea, and those that LONGER need not name."""
    found = []
    for path in files(root):
        if path.suffix not in SOURCES:
            continue
        name = path.relative_to(root).as_posix()
        num_lines = path.read_text(encoding="utf-8").count("\n")
        limit = MAX_TEST_LINES if name.startswith("tests/") else MAX_LINES
        if (num_lines > limit) != (name in LONGER):
            found.append(f"{name}: {num_lines} lines, limit {limit}")
    return found


def crowded_folders(root: Path) -> list[str]:
    """Folders of csrc with more modules than one looks through."""
    found = []
    for folder in sorted({path.parent for path in files(root / "csrc")}):
        name = folder.relative_to(root).as_posix()
        modules = {path.stem for path in folder.iterdir() if path.suffix in SOURCES}
        if len(modules) > MAX_MODULES and name not in LISTS_OF_OPS:
            found.append(f"{name}: {len(modules)} modules, limit {MAX_MODULES}")
    return found


def no_ops_in_backends(root: Path) -> list[str]:
    """Sources directly in csrc/cpu and csrc/cuda that belong to no op. What ops are made of goes into folders below."""
    ops = {path.stem for path in (root / "csrc/ops").glob("*.h")} - NO_OPS
    sources = [path for backend in ("cpu", "cuda") for path in sorted((root / "csrc" / backend).glob("*.*"))]
    return [str(path.relative_to(root)) for path in sources if path.suffix in SOURCES and path.stem not in ops]


def large_files(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in files(root) if path.stat().st_size > MAX_BYTES]


def bad_headers(root: Path) -> list[str]:
    """Headers of csrc/ that do not begin with a comment, or that have no #pragma once."""
    found = []
    for path in files(root / "csrc"):
        if path.suffix not in {".h", ".cuh"}:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        if not lines or not lines[0].startswith("//"):
            found.append(f"{path.relative_to(root)}: does not begin with a comment")
        if "#pragma once" not in lines:
            found.append(f"{path.relative_to(root)}: no #pragma once")
    return found


def misplaced_ops(root: Path) -> list[str]:
    """Files of ops that are missing where a reader looks for them first."""
    headers = {path.stem for path in (root / "csrc/ops").glob("*.h")} - NO_OPS
    places = [[place.format(op) for place in alternatives] for op in sorted(headers) for alternatives in OP_FILES]
    found = [f"{names[0]} is missing" for names in places if not any((root / name).exists() for name in names)]
    sources = {path.stem for path in (root / "csrc/ops").glob("*.cpp")}
    return found + [f"csrc/ops/{op}.cpp has no header" for op in sorted(sources - headers - NO_OPS)]


def respelled_ops(root: Path) -> list[str]:
    """Headers of ops that do not declare them by GESSO_OP, or write a list of parameters beside it."""
    found = []
    for path in sorted((root / "csrc/ops").glob("*.h")):
        if path.stem in NO_OPS:
            continue
        text = path.read_text(encoding="utf-8")
        if path.stem not in re.findall(r"^GESSO_OP(?:_WITH_RESULT\([\w:]+, |\()(\w+), \w+\)$", text, re.MULTILINE):
            found.append(f"{path.relative_to(root)}: no GESSO_OP({path.stem}, ...)")
        others = set(re.findall(r"^GESSO_OP\w*\((?:[\w:]+, )??(\w+), \w+\)$", text, re.MULTILINE)) - {path.stem}
        found += [
            f"{path.relative_to(root)}: {op} is another op" for op in sorted(others - TWINS.get(path.stem, set()))
        ]
        if re.search(r"namespace gesso::(cpu|cuda)\b|\(const Context&", text):
            found.append(f"{path.relative_to(root)}: declares what GESSO_OP declares, or a backend's own function")
    return found


CHECKS = [long_files, large_files, crowded_folders, bad_headers, misplaced_ops, respelled_ops, no_ops_in_backends]


@pytest.mark.parametrize("check", CHECKS)
def test_repository(check):
    assert check(ROOT) == []


def test_there_is_something_to_check():
    assert len(list((ROOT / "csrc/ops").glob("*.h"))) > 10


@pytest.mark.parametrize(
    ("check", "file", "text"),
    [
        (long_files, "csrc/core/a.cpp", "\n" * (MAX_LINES + 1)),
        (large_files, "models/a.gguf", "x" * (MAX_BYTES + 1)),
        (bad_headers, "csrc/core/a.h", "#pragma once\n"),
        (bad_headers, "csrc/core/a.h", "// a\n"),
        (misplaced_ops, "csrc/ops/b.h", "// b\n"),
        (misplaced_ops, "csrc/ops/b.cpp", "// b\n"),
        (respelled_ops, "csrc/ops/a.h", "struct AArguments {};\nvoid a(int x);\n"),
        (respelled_ops, "csrc/ops/a.h", "GESSO_OP(a, A)\nnamespace gesso::cpu {\nvoid a(int x);\n}\n"),
        (respelled_ops, "csrc/ops/a.h", "GESSO_OP(a, A)\nGESSO_OP(b, B)\n"),
        (respelled_ops, "csrc/ops/a.h", "GESSO_OP(a, A)\nvoid a(const Context& context, int x);\n"),
        (bad_headers, "csrc/cuda/a.cuh", "// a\n"),
        (long_files, "csrc/cuda/a.cu", "\n" * (MAX_LINES + 1)),
        (long_files, "tests/ops/test_a.py", "\n" * (MAX_TEST_LINES + 1)),
        (long_files, "csrc/cpu/kernels/panel_decoders.cpp", "\n" * MAX_LINES),
        (crowded_folders, "csrc/core/w.cpp", ""),
        (no_ops_in_backends, "csrc/cpu/tile.h", "// tile\n#pragma once\n"),
        (no_ops_in_backends, "csrc/cuda/tile.cuh", "// tile\n#pragma once\n"),
    ],
)
def test_what_is_wrong_is_found(tmp_path, check, file, text):
    good = {
        "csrc/ops/a.h": "// a\n#pragma once\nGESSO_OP(a, AArguments)\n",
        "csrc/ops/a.cpp": "",
        "csrc/cpu/a.cpp": "",
        "csrc/cuda/a.cu": "",
    }
    good |= {f"csrc/core/{i}.{suffix}": "// i\n#pragma once\n" for i in range(MAX_MODULES) for suffix in ("h", "cpp")}
    for name, content in good.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert check(tmp_path) == []
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert check(tmp_path) != []


@pytest.mark.parametrize("places", OP_FILES)
def test_an_op_that_a_backend_lacks_is_found(tmp_path, places):
    for name in ("csrc/ops/a.h", "csrc/ops/a.cpp", "csrc/cpu/a.cpp", "csrc/cuda/a.cpp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert misplaced_ops(tmp_path) == []
    (tmp_path / places[-1].format("a")).unlink()
    assert len(misplaced_ops(tmp_path)) == 1
