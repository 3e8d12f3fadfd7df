"""The loop of the experts' products on sm_90: what a warp issues, and that decoded weights stay in registers."""

import pytest

from gpu.step_model import kernels

pytestmark = pytest.mark.skipif(not kernels.OBJECTS.exists(), reason="nothing compiled: make cuda")

SPAN_STEPS = 4  # of 64 columns, which the loop computes at a time


def loop_of(dtype: str, rows: int = 24) -> list[str]:
    """The names of the loop's instructions. It computes the steps of a span."""
    compiled, usage = kernels.find("wgmma experts", "sm_90", rows=rows, **kernels.names_of(dtype))
    blocks = kernels.blocks_of(compiled, usage.architecture, usage.symbol)
    return [instruction.name for block in blocks for instruction in block]


@pytest.mark.parametrize("dtype", ["Q4_K", "Q8_0", "Q5_0", "NVFP4"])
def test_weights_stay_in_registers(dtype):
    """Each step has four products. Only the factors and constants of units go to shared memory."""
    loop = loop_of(dtype)
    assert loop.count("HGMMA") == 4 * SPAN_STEPS
    assert loop.count("STS") == 2 and "STSM" not in loop


@pytest.mark.parametrize("dtype", ["Q4_K", "Q8_0", "Q5_0", "NVFP4"])
def test_weights_stay_in_registers_in_wide_tiles(dtype):
    """The loop has products of five numbers of rows. A span of Q8_0 has two steps, the others have four."""
    steps = 2 if dtype == "Q8_0" else SPAN_STEPS
    loop = loop_of(dtype, rows=160)
    assert loop.count("HGMMA") == 5 * 4 * steps
    assert loop.count("STS") == steps // 2 and "STSM" not in loop


def test_instructions_of_a_step():
    """A warp issues at most 95 for 64 weight rows and 64 columns in Q4_K, copies and factors included."""
    assert len(loop_of("Q4_K")) <= 95 * SPAN_STEPS
