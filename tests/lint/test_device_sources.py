"""Kernels must reach the hardware only through csrc/cuda/device, so that the emulator can replace it."""

import re
from pathlib import Path

import pytest

from device_code.claims import read_claims

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}
TWINS = "tests/emulator/include/cuda/device"  # the emulator's build includes these instead of csrc/cuda/device

# What only csrc/cuda/device may contain, with the name of the construct or what to use instead.
HARDWARE = {
    r"\basm\b": "inline assembly",
    r"<<<": "a launch; use launch()",
    r"\b__(?:shfl|sync|ballot|any|all|reduce|match|activemask)\w*": "an instruction; use warp.h or barrier.h",
    r"\b__shared__\b": "static shared memory; use shared_memory()",
    r"\batomic(?:Add|Max|Min|CAS|Exch|Or|And)\b": "an atomic: the order of threads would show in a result",
    r"\b__(?:ld|st|cvta|pipeline|fma|float|half|hmul|hadd)\w*|\b(?:__)?nv_bfloat\w*": "an intrinsic or type of CUDA's",
    r"\b__CUDA_ARCH\w*": "a choice by architecture; use a file <op>_<how>_sm90a.cu",
    r"\bGESSO_EMULATED\b": "the emulator; it has the same sources",
}
PRIMITIVE = re.compile(r"__device__ inline [^(;]*?(\w+)\(")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
KERNEL = re.compile(r"__global__[^{;]*\{\s*([^;]*;)")  # and the first statement of a kernel
WAIT = "wait_for_earlier_kernels();"  # csrc/cuda/device/early_start.h
MARKS = re.compile(r"\b__(?:device|global|host|CUDACC)_*\b")
MARKS_FILE = "csrc/core/device_code.h"  # this file defines GESSO_DEVICE


def sources(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.suffix in SUFFIXES)


def hardware_access(root: Path) -> list[str]:
    """One line for each place outside csrc/cuda/device that names the hardware."""
    found = []
    for path in sources(root / "csrc"):
        name = str(path.relative_to(root))
        text = COMMENT.sub("", path.read_text(encoding="utf-8"))
        if name.startswith("csrc/cuda/device/"):
            continue
        if name.startswith("csrc/cuda/"):
            found += [f"{name}: {match[0]}: {what}" for it, what in HARDWARE.items() for match in re.finditer(it, text)]
        elif name != MARKS_FILE:
            found += [f"{name}: {match[0]} belongs under csrc/cuda" for match in MARKS.finditer(text)]
    return found


def missing_twins(root: Path) -> list[str]:
    """Headers of csrc/cuda/device without an emulated twin. The emulator's build would include the hardware's
    header."""
    headers = sorted(path.name for path in (root / "csrc/cuda/device").glob("*.h"))
    return [f"{TWINS}/{name} is missing" for name in headers if not (root / TWINS / name).exists()]


def unused_primitives(root: Path) -> list[str]:
    """Functions of csrc/cuda/device that nothing in csrc/cuda calls, and no other header of csrc/cuda/device."""
    texts = {path: COMMENT.sub("", path.read_text(encoding="utf-8")) for path in sources(root / "csrc/cuda")}
    found = []
    for path in sorted((root / "csrc/cuda/device").glob("*.h")):
        others = "\n".join(text for other, text in texts.items() if other != path)
        for name in dict.fromkeys(PRIMITIVE.findall(texts[path])):
            is_used = re.search(rf"\b{name}\b", others) or len(re.findall(rf"\b{name}\(", texts[path])) > 1
            if not is_used:
                found.append(f"{path.relative_to(root)}: {name} is used by no kernel")
    return found


def kernels_without_claim(root: Path) -> list[str]:
    """Kernels without a claim about their machine code in the comment above them; see device_code/claims.py."""
    return read_claims(root)[1]


def kernels_that_do_not_wait(root: Path) -> list[str]:
    """Kernels that do something else before they wait. They may start while those before them still run."""
    paths = sources(root / "csrc/cuda")
    firsts = [(path, text) for path in paths for text in KERNEL.findall(COMMENT.sub("", path.read_text("utf-8")))]
    return [f"{path.relative_to(root)}: a kernel begins with {first}" for path, first in firsts if first != WAIT]


CHECKS = [hardware_access, missing_twins, unused_primitives, kernels_without_claim, kernels_that_do_not_wait]


@pytest.mark.parametrize("check", CHECKS)
def test_device_sources(check):
    assert check(ROOT) == []


def test_there_is_something_to_check():
    assert len(list((ROOT / "csrc/cuda").glob("*.cu"))) > 10
    assert len(read_claims(ROOT)[0]) > 10
    texts = [COMMENT.sub("", path.read_text("utf-8")) for path in sources(ROOT / "csrc/cuda")]
    assert sum(len(KERNEL.findall(text)) for text in texts) == len(read_claims(ROOT)[0])


GOOD = {
    "csrc/cuda/a.cu": "// a __shared__ comment\n\n// ptxas: <= 32 registers\n"
    "__global__ void a_kernel() { wait_for_earlier_kernels(); meet(); }\n",
    "csrc/cuda/device/a.h": '__device__ inline void meet() { asm("bar;"); __syncthreads(); }\n',
    "tests/emulator/include/cuda/device/a.h": "\n",
    "csrc/core/device_code.h": "#define GESSO_DEVICE __device__\n",
    "csrc/cpu/a.cpp": 'asm("nop");\n',
}


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def all_problems(root: Path) -> list[str]:
    return [problem for check in CHECKS for problem in check(root)]


def test_a_clean_tree_has_no_problems(tmp_path):
    assert all_problems(plant(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("csrc/cuda/b.cu", "__syncthreads();"),
        ("csrc/cuda/b.cu", "__shfl_xor_sync(1, 2, 3);"),
        ("csrc/cuda/b.cu", "kernel<<<1, 2>>>();"),
        ("csrc/cuda/b.h", '  asm volatile("x");'),
        ("csrc/cuda/b.cuh", "__shared__ float x[3];"),
        ("csrc/cuda/b.cu", "atomicAdd(p, 1);"),
        ("csrc/cuda/b.cu", "__nv_bfloat16 x;"),
        ("csrc/cuda/b.cu", "#if __CUDA_ARCH__ >= 900"),
        ("csrc/cuda/b.cu", "#ifdef GESSO_EMULATED"),
        ("csrc/quant/b.h", "__device__ void b();"),
        ("csrc/cuda/device/b.h", ""),
        ("csrc/cuda/device/a.h", "__device__ inline T* meet() {}\n__device__ inline int other(int meet) {}"),
        ("csrc/cuda/b.cu", "// b\n__global__ void b_kernel();"),
        ("csrc/cuda/b.cu", "// ptxas: <= 1 registers\n__global__ void b_kernel(int (&x)[2]) { x[0] = 1; }"),
    ],
)
def test_a_planted_fault_is_found(tmp_path, file, text):
    assert len(all_problems(plant(tmp_path, GOOD | {file: text + "\n"}))) == 1
