"""The loop of the experts' products on sm_90: what a warp issues, and that decoded weights stay in registers."""

from functools import cache
from pathlib import Path

import pytest

from device_code.disassembly import listing
from device_code.loops import code_of, count, main_loop

ROOT = Path(__file__).resolve().parents[2]
OBJECT = ROOT / "build/cuda/CMakeFiles/gesso.dir/csrc/cuda/gemm/kernels/gemm_experts_wgmma_sm90a.cu.o"
pytestmark = pytest.mark.skipif(not OBJECT.exists(), reason="nothing compiled: make cuda")

# The types by their numbers in gguf, and the steps of a span.
TYPES = {"Q4_K": (12, 4), "Q8_0": (8, 2), "Q5_0": (6, 2), "NVFP4": (40, 4)}


@cache
def object_listing() -> str:
    return listing(OBJECT)


def loop_of_few_rows(name: str) -> list[str]:
    return main_loop(code_of(object_listing(), f"gemm_experts_kernelILNS_5DTypeE{TYPES[name][0]}ELi24E"), "HGMMA")


@pytest.mark.parametrize("name", TYPES)
def test_weights_stay_in_registers(name):
    """The loop has the steps of a span, each with four products. Only the scales of Q4_K go to shared memory."""
    loop = loop_of_few_rows(name)
    assert count(loop, "HGMMA") == 4 * TYPES[name][1]
    assert count(loop, "STS") == (2 if name == "Q4_K" else 0)


def test_instructions_of_a_step():
    """A warp issues at most 150 for 64 weight rows and 64 columns in Q4_K, copies and scales included."""
    assert len(loop_of_few_rows("Q4_K")) <= 150 * TYPES["Q4_K"][1]
