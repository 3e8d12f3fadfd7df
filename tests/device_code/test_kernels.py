"""The machine code of every kernel must hold what the comment above it claims. `make cuda` compiles it and runs this.

These changes would make the tests fail: registers are spilled, an array goes to local memory, a matrix product is no
longer one instruction, or a kernel takes more registers than its occupancy allows.
"""

from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from device_code.checks import check_architectures, check_opcodes, check_usage
from device_code.claims import Claim, read_claims
from device_code.disassembly import Opcodes, disassemble, has_instruction, listing
from device_code.objects import BUILD, ROOT, kernel_files, objects, reports
from device_code.warpgroups import check_warpgroups

pytestmark = pytest.mark.skipif(not BUILD.exists(), reason="nothing compiled: make cuda")

# Instructions without which the kernels of a file would be slow on the architectures that it is compiled for.
MUST_USE = {
    "gemm_bf16_*.cu": ("HMMA", "LDSM", "LDGSTS"),
    "gemm_int8_*.cu": ("IMMA", "LDSM", "LDGSTS"),
    "attention.cu": ("HMMA", "LDSM", "LDGSTS"),
    "router.cu": ("FFMA", "LDGSTS"),
    "soft_embed_mma.cu": ("HMMA", "LDSM", "LDGSTS"),
    "*_wgmma_sm90a.cu": ("HGMMA", "LDGSTS"),
    "*_fp4_sm120a.cu": ("OMMA", "LDGSTS"),
}


@cache
def claims() -> dict[str, Claim]:
    return read_claims(ROOT)[0]


@cache
def opcodes() -> dict[Path, Opcodes]:
    return {path: disassemble(path) for path in kernel_files()}


def test_every_kernel_has_a_claim():
    assert read_claims(ROOT)[1] == []


def test_every_source_was_compiled_and_every_kernel_seen():
    assert [source.name for source, compiled in objects().items() if compiled not in reports()] == []
    symbols = [usage.symbol for usages in reports().values() for usage in usages]
    assert [name for name in claims() if not any(f"{len(name)}{name}" in symbol for symbol in symbols)] == []


def test_registers_and_stack():
    assert [line for path in kernel_files() for usage in reports()[path] for line in check_usage(usage, claims())] == []


def test_architectures():
    compiled = {path: {usage.architecture for usage in reports()[path]} for path in kernel_files()}
    assert [line for path in compiled for line in check_architectures(path.name, compiled[path])] == []


def test_instructions():
    assert [line for path in kernel_files() for line in check_opcodes(opcodes()[path], claims())] == []


@pytest.mark.parametrize("pattern", MUST_USE)
def test_matrix_products_are_instructions(pattern):
    paths = [path for path in kernel_files() if fnmatch(path.stem, pattern)]
    assert paths
    for path in paths:
        found: dict[str, set[str]] = {}
        for (_, architecture), names in opcodes()[path].items():
            found.setdefault(architecture, set()).update(names)
        for architecture, names in found.items():
            missing = [name for name in MUST_USE[pattern] if not has_instruction(names, name)]
            assert missing == [], (path.name, architecture)


def test_kernels_wait_for_those_before():
    """Launches rely on it where the machine code is for 9.0 or newer (csrc/cuda/device/early_start.h)."""
    for path in kernel_files():
        for (symbol, architecture), names in opcodes()[path].items():
            is_new = int(architecture.removeprefix("sm_").removesuffix("a")) >= 90
            assert ({"PREEXIT", "ACQBULK"} <= names) == is_new, (symbol, architecture)


def test_sums_of_warpgroups_are_left_alone():
    """An instruction that reads or writes a sum too early would give wrong results, and only on real hardware."""
    checked = [check_warpgroups(listing(path)) for path in kernel_files() if path.stem.endswith("_sm90a.cu")]
    assert sum(num_kernels for num_kernels, _ in checked) > 0
    assert [problem for _, problems in checked for problem in problems] == []
