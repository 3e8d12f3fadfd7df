"""The shape of the repository: the sizes of files, the first lines of headers, and the place of every op."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHES = {"__pycache__", ".cache", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
NOT_OURS = {".git", ".venv", "build", *CACHES}
MAX_LINES = 500
MAX_BYTES = 8 << 20
# Headers of ops/ that declare no op: shared checks and types, parts of a device besides its ops, and measurements.
NO_OPS = {"check", "expert_check", "weight", "device", "memory", "replay", "ceilings", "profile_span", "work"}
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
    """Sources that are so long that they probably hold more than one idea."""
    sources = [path for path in files(root) if path.suffix in {".h", ".cpp", ".cu", ".cuh", ".py"}]
    counts = {path: path.read_text(encoding="utf-8").count("\n") for path in sources}
    return [f"{path.relative_to(root)}: {n} lines" for path, n in counts.items() if n > MAX_LINES]


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


@pytest.mark.parametrize("check", [long_files, large_files, bad_headers, misplaced_ops])
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
        (bad_headers, "csrc/cuda/a.cuh", "// a\n"),
        (long_files, "csrc/cuda/a.cu", "\n" * (MAX_LINES + 1)),
    ],
)
def test_what_is_wrong_is_found(tmp_path, check, file, text):
    good = {"csrc/ops/a.h": "// a\n#pragma once\n", "csrc/ops/a.cpp": "", "csrc/cpu/a.cpp": "", "csrc/cuda/a.cu": ""}
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
