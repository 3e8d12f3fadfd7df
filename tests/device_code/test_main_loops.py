"""The main loops of the hot kernels: bench/gpu/step_model finds each of them, and they issue no more than they did.

A longer loop makes these tests fail. So does a kernel that is renamed without its entry in KERNELS.
"""

from pathlib import Path

import pytest

from gpu.step_model import kernels
from gpu.step_model.kernels import KERNELS
from gpu.step_model.shape import routing

BUILD = Path(__file__).resolve().parents[2] / "build/cuda"
pytestmark = pytest.mark.skipif(not BUILD.exists(), reason="nothing compiled: make cuda")

# The instances of each kernel that a step of the 26B model takes, and an architecture that takes them.
HOT = {
    "mma bf16": ("sm_90", kernels.names_of("F32") | {"rows": 128}),
    "mma int8": ("sm_89", kernels.names_of("Q4_K") | {"rows": 256}),
    "mma fp4": ("sm_120", {"terms": 2, "rows": 24}),
    "wgmma bf16": ("sm_90", kernels.names_of("Q4_K") | {"rows": 128, "groups": 4}),
    "wgmma experts": ("sm_90", kernels.names_of("Q4_K") | {"rows": 24}),
    "attention": ("sm_90", {"dim": 512, "slices": 2, "keys": 16, "one_copy": 1}),
    "wgmma attention": ("sm_90", {"dim": 512}),
    "router": ("sm_90", {}),
    "soft embedding": ("sm_120", kernels.names_of("Q6_K")),
    "wgmma soft embedding": ("sm_90", kernels.names_of("Q6_K")),
}
# The experts of a canvas, in tiles of 24 rows: issue slots of a scheduler for 64 x 64 weights.
EXPERT_SLOTS = {
    ("wgmma experts", "sm_90", "Q4_K"): 90,
    ("wgmma experts", "sm_90", "Q8_0"): 127,
    ("wgmma experts", "sm_90", "Q5_0"): 149,
    ("mma int8", "sm_86", "Q4_K"): 235,
    ("mma int8", "sm_120", "Q5_0"): 275,
    ("mma int8", "sm_120", "Q8_0"): 230,
}
# Other products on 9.0, in tiles of 128 rows: the same of a warpgroup, where a block has three or four of them.
GROUP_SLOTS = {("Q4_K", 4): 170, ("Q4_K", 3): 176, ("Q6_K", 4): 212, ("Q6_K", 3): 222}


def test_every_kernel_of_the_model_is_there():
    assert set(HOT) == set(KERNELS)


@pytest.mark.parametrize("name", KERNELS)
def test_a_loop_is_found(name):
    architecture, names = HOT[name]
    work = kernels.work(name, architecture, kernels.Case(), **names)
    assert work.products > 0 or work.wgmma_columns > 0 or name == "router"
    assert work.issue > work.products and work.smem > 0
    assert 32 <= kernels.registers(name, architecture, **names) <= 255


def test_what_the_router_issues():
    """256 multiplications of each lane in a step, and a third more beside them."""
    for architecture in ("sm_86", "sm_90", "sm_120"):
        work = kernels.work("router", architecture, kernels.Case())
        assert work.fma >= 256 and work.issue <= 350


@pytest.mark.parametrize(("name", "architecture", "dtype"), EXPERT_SLOTS)
def test_what_the_experts_issue(name, architecture, dtype):
    spread = routing(256, 128, 8, 24)
    case = kernels.product_case(name, dtype, shares=spread.groups, other_share=0.0, groups=spread.groups)
    work = kernels.work(name, architecture, case, rows=24, **kernels.names_of(dtype))
    slots = work.issue * KERNELS[name].warps / 4 * 64 / KERNELS[name].weight_rows
    limit = EXPERT_SLOTS[name, architecture, dtype]
    assert 0.8 * limit < slots <= limit  # far below it the limit should be lowered


@pytest.mark.parametrize(("dtype", "groups"), GROUP_SLOTS)
def test_what_a_warpgroup_issues(dtype, groups):
    case = kernels.product_case("wgmma bf16", dtype)
    work = kernels.work("wgmma bf16", "sm_90", case, rows=128, groups=groups, **kernels.names_of(dtype))
    assert work.wgmma_columns == 4 * 128  # the whole loop is counted, and nothing else
    limit = GROUP_SLOTS[dtype, groups]
    assert 0.9 * limit < work.issue <= limit


@pytest.mark.parametrize(("architecture", "limit"), [("sm_86", 1225), ("sm_120", 1215)])
def test_what_a_wide_tile_issues(architecture, limit):
    """A step of 64 columns of a tile with 256 rows of x: issue slots of a scheduler. The sums alone take 832 of them:
    64 products, and 768 multiplications and additions."""
    case = kernels.product_case("mma int8", "Q4_K", decodes=0.5)
    work = kernels.work("mma int8", architecture, case, rows=256, **kernels.names_of("Q4_K"))
    assert 832 < work.issue * 8 / 4 <= limit
    assert work.fma * 8 / 4 < 900  # no copies of registers
