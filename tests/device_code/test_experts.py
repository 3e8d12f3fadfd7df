"""The loop of the experts' products on sm_90: what a warp issues, and that decoded weights stay in registers."""

import pytest

from gpu.step_model import kernels

pytestmark = pytest.mark.skipif(not kernels.OBJECTS.exists(), reason="nothing compiled: make cuda")

SPAN_STEPS = 4  # of 64 columns, which the loop computes at a time


def loop_of_few_rows(dtype: str) -> list[str]:
    """The names of the loop's instructions. It computes the steps of a span."""
    compiled, usage = kernels.find("wgmma experts", "sm_90", rows=24, **kernels.names_of(dtype))
    blocks = kernels.blocks_of(compiled, usage.architecture, usage.symbol)
    return [instruction.name for block in blocks for instruction in block]


@pytest.mark.parametrize("dtype", ["Q4_K", "Q8_0", "Q5_0", "NVFP4"])
def test_weights_stay_in_registers(dtype):
    """Each step has four products. Only the factors and constants of units go to shared memory."""
    loop = loop_of_few_rows(dtype)
    assert loop.count("HGMMA") == 4 * SPAN_STEPS
    assert loop.count("STS") == 2


def test_instructions_of_a_step():
    """A warp issues at most 95 for 64 weight rows and 64 columns in Q4_K, copies and factors included."""
    assert len(loop_of_few_rows("Q4_K")) <= 95 * SPAN_STEPS
