"""Includes go in one direction only. The table of modules in HACKING.md is checked for every #include of the C++ code.

python -> include <- api -> engine -> diffusion -> model -> ops -> core
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}

# What each folder of csrc/ may include besides itself and the public headers.
ALLOWED = {
    "core": set(),
    "io": {"core"},
    "quant": {"core"},
    "ops": {"core", "quant"},
    "cpu": {"core", "quant", "ops"},
    "cuda": {"core", "quant", "ops"},
    "model": {"core", "io", "ops", "quant"},
    "text": {"core", "io"},
    "diffusion": {"core", "io", "model", "ops"},
    "engine": {"core", "io", "model", "ops", "diffusion"},
    "api": {"core", "io", "quant", "ops", "model", "text", "diffusion", "engine"},
}
BACKENDS = ("cpu", "cuda")
KNOW_NO_BACKEND = ("model", "diffusion", "engine")  # not even a backend's name

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
BACKEND_NAME = re.compile(rf"\b({'|'.join(BACKENDS)})(::|/)")
STANDARD = re.compile(r"[a-z_0-9]+|(std[a-z]+|string|math|limits)\.h")  # <vector>, <stdint.h>
# What only some systems have is behind the headers of csrc/core/platform: only the folders below it name it. Other code
# has the headers of C++ and of the compiler alone. Some functions of POSIX come with the headers of C++ here.
PORTABLE = re.compile(r"[a-z_]+|math\.h|immintrin\.h|arm_neon\.h")
CUDA = re.compile(r"cuda|cub/|cooperative_groups|nvtx|mma\.h|cute/|cutlass/")
OF_A_SYSTEM = re.compile(
    r"\b(__linux__|__APPLE__|__unix__|_WIN32)\b|\"/(?:proc|sys|dev)/|\b(?:get_nprocs|getpid|mkstemp|aligned_alloc"
    r"|posix_memalign|pthread_\w+|sched_\w+|sysconf|mmap|munmap|madvise|pread|fsync|ftruncate|getauxval)\("
)


def sources(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.suffix in SUFFIXES)


def violations(root: Path) -> list[str]:
    """One line for every include in the wrong direction."""
    found = []
    for directory, check in (("csrc", check_module), ("include", check_public), ("python/bindings", check_binding)):
        for path in sources(root / directory):
            text = path.read_text(encoding="utf-8")
            problems = [problem for quote, name in INCLUDE.findall(text) if (problem := check(root, path, quote, name))]
            problems += check_backend_names(root, path, text) + check_system_names(root, path, text)
            found += [f"{path.relative_to(root)}: {problem}" for problem in problems]
    return found


def check_module(root: Path, path: Path, quote: str, name: str) -> str | None:
    """Checks an include of csrc/: "module/file.h" or "gesso/file.h", both relative to an include root."""
    module = path.relative_to(root / "csrc").parts[0]
    if module not in ALLOWED:
        return f"module {module} is not in the table of {Path(__file__).name}"
    if quote == "<":
        if any((root / folder / name).exists() for folder in ("csrc", "include")):
            return f"<{name}>: gesso's own headers are included in quotes"
        return check_system(name, module == "cuda", is_for_one_system(root, path))
    target = name.split("/")[0]
    if target == "gesso":
        return None if (root / "include" / name).exists() else f'"{name}" does not exist'
    if not (root / "csrc" / name).exists():
        return f'"{name}" is no file under csrc/'
    if is_for_one_system(root, root / "csrc" / name) and not is_for_one_system(root, path):
        return f'"{name}" is for one system alone'
    if target != module and target not in ALLOWED[module]:
        return f'{module} must not include "{name}"'
    return None


def is_for_one_system(root: Path, path: Path) -> bool:
    """Whether a source is in a folder like csrc/core/platform/posix."""
    parts = path.relative_to(root).parts
    return parts[:3] == ("csrc", "core", "platform") and len(parts) > 4


def check_system(name: str, is_cuda: bool, is_for_one_system: bool) -> str | None:
    """Checks an include of csrc/ in angle brackets."""
    if name.startswith("nanobind"):
        return f"<{name}>: nanobind belongs under python/bindings"
    if CUDA.match(name):
        return None if is_cuda else f"<{name}>: CUDA belongs under csrc/cuda"
    if not PORTABLE.fullmatch(name) and not is_for_one_system:
        return f"<{name}>: headers of a system belong into a folder below csrc/core/platform"
    return None


def check_system_names(root: Path, path: Path, text: str) -> list[str]:
    if path.relative_to(root).parts[0] != "csrc" or is_for_one_system(root, path):
        return []
    return [f"names what only some systems have: {match[0]}" for match in OF_A_SYSTEM.finditer(COMMENT.sub("", text))]


def check_public(root: Path, path: Path, quote: str, name: str) -> str | None:
    """Checks an include of include/gesso/: only other public headers and the standard library are allowed."""
    if quote == "<":
        return None if STANDARD.fullmatch(name) else f"<{name}>: public headers include the standard library only"
    if not name.startswith("gesso/") or not (root / "include" / name).exists():
        return f'"{name}": public headers include public headers only'
    return None


def check_binding(root: Path, path: Path, quote: str, name: str) -> str | None:
    """Checks an include of python/bindings/: only public headers are allowed, except in what serves tests."""
    if quote == "<" or (path.parent / name).exists():
        return None
    if (root / "include" / name).exists():
        return None
    if path.parent.name == "for_tests" and any(
        (root / folder / name).exists() for folder in ("csrc", "python/bindings", "tests/emulator", "bench/gpu")
    ):
        return None
    return f'bindings must not include "{name}"'


def check_backend_names(root: Path, path: Path, text: str) -> list[str]:
    parts = path.relative_to(root).parts
    if parts[0] != "csrc" or parts[1] not in KNOW_NO_BACKEND:
        return []
    return [f"names a backend: {match[0]}" for match in BACKEND_NAME.finditer(COMMENT.sub("", text))]


def test_includes_point_one_way():
    assert violations(ROOT) == []


def test_all_sources_were_read():
    assert len(sources(ROOT / "csrc")) > 80
    assert len(sources(ROOT / "include")) >= 6
    assert {path.parent.name for path in sources(ROOT / "csrc")} >= ALLOWED.keys()


GOOD = {
    "include/gesso/model.h": '#include <vector>\n#include <stdint.h>\n#include "gesso/error.h"\n',
    "include/gesso/error.h": "#include <string>\n",
    "csrc/core/check.h": "#include <string>\n",
    "csrc/core/platform/process.h": "// getpid()\n#include <cstdint>\n",
    "csrc/core/platform/posix/process.cpp": '#include "core/platform/process.h"\n#include <unistd.h>\nx = getpid();',
    "csrc/core/platform/posix/file.h": "#include <sys/stat.h>\n",
    "csrc/ops/linear.h": '#include "core/check.h"\n#include "gesso/error.h"\n',
    "csrc/cpu/linear.cpp": '#include "ops/linear.h"\n#include <immintrin.h>\n',
    "csrc/cpu/matmul.h": "#include <vector>\n",
    "csrc/cuda/linear.h": "#include <cuda_runtime.h>\n",
    "csrc/cuda/device/mma.h": "#include <cstdint>\n",
    "csrc/cuda/linear.cu": '#include "cuda/device/mma.h"\n#include "cuda/linear.h"\n#include "ops/linear.h"\n',
    "csrc/model/layer.h": '#include "ops/linear.h"\n// the cpu::linear of old\n',
    "python/bindings/bind_model.cpp": '#include "bindings.h"\n#include "gesso/model.h"\n',
    "python/bindings/bindings.h": "#include <nanobind/nanobind.h>\n",
    "python/bindings/for_tests/ops.cpp": '#include "ops/linear.h"\n',
}


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_clean_tree_has_no_violations(tmp_path):
    assert violations(plant(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("file", "line", "problem"),
    [
        ("csrc/core/bad.h", '#include "ops/linear.h"', "core must not include"),
        ("csrc/ops/bad.cpp", '#include "model/layer.h"', "ops must not include"),
        ("csrc/ops/bad.cpp", '#include "cpu/linear.h"', "is no file under csrc/"),
        ("csrc/model/bad.cpp", "void f() { cpu::linear(); }", "names a backend: cpu::"),
        ("csrc/model/bad.cpp", '#  include  "layer.h"', "is no file under csrc/"),
        ("csrc/api/bad.cpp", '#include "gesso/missing.h"', "does not exist"),
        ("csrc/core/bad.h", "#include <ops/linear.h>", "in quotes"),
        ("csrc/core/bad.h", "#include <gesso/error.h>", "in quotes"),
        ("csrc/api/bad.cpp", "#include <nanobind/nanobind.h>", "nanobind belongs"),
        ("csrc/cpu/bad.cpp", "#include <cuda_runtime.h>", "CUDA belongs"),
        ("csrc/api/bad.cpp", '#include "cuda/linear.h"', "api must not include"),
        ("csrc/ops/bad.cpp", '#include "cuda/linear.h"', "ops must not include"),
        ("csrc/cuda/bad.cu", '#include "cpu/matmul.h"', "cuda must not include"),
        ("csrc/cuda/bad.cuh", '#include "model/layer.h"', "cuda must not include"),
        ("csrc/io/bad.cpp", "#include <unistd.h>", "headers of a system"),
        ("csrc/core/bad.h", "#include <sys/mman.h>", "headers of a system"),
        ("csrc/core/platform/bad.h", "#include <stdlib.h>", "headers of a system"),
        ("csrc/io/bad.cpp", '#include "core/platform/posix/file.h"', "for one system alone"),
        ("csrc/cuda/bad.cu", "#include <dlfcn.h>", "headers of a system"),
        ("csrc/cpu/bad.cpp", "#ifdef __linux__", "only some systems"),
        ("csrc/io/bad.cpp", 'std::ifstream file("/proc/meminfo");', "only some systems"),
        ("csrc/core/bad.h", "void* data = std::aligned_alloc(64, 64);", "only some systems"),
        ("csrc/api/bad.cpp", "const auto process = ::getpid();", "only some systems"),
        ("csrc/extra/bad.cpp", "#include <vector>", "module extra is not in the table"),
        ("include/gesso/bad.h", '#include "core/check.h"', "public headers include public headers only"),
        ("include/gesso/bad.h", "#include <omp.h>", "standard library only"),
        ("python/bindings/bad.cpp", '#include "core/check.h"', "bindings must not include"),
    ],
)
def test_a_planted_wrong_include_is_caught(tmp_path, file, line, problem):
    found = violations(plant(tmp_path, GOOD | {file: line + "\n"}))
    assert len(found) == 1
    assert found[0].startswith(file)
    assert problem in found[0]
