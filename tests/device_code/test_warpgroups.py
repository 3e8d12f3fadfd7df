"""The checks of warpgroup products can fail. The listings are made up; their lines look like those of cuobjdump."""

import pytest

from device_code.warpgroups import check_warpgroups

GOOD = """
\t\tFunction : product_kernel
        /*0100*/                   FENCE.VIEW.ASYNC.S ;                                  /* 0x00000000000073c6 */
        /*0110*/                   WARPGROUP.ARRIVE ;                                    /* 0x0000000000007948 */
        /*0120*/                   HGMMA.64x64x16.F32.BF16 R24, gdesc[UR8], !UPT ;       /* 0x00e00000080079f0 */
        /*0130*/                   HGMMA.64x64x16.F32.BF16 R24, gdesc[UR12], R24, gsb0 ; /* 0x00e000000c1879f0 */
        /*0140*/                   IMAD R5, R6, R7, R5 ;                                 /* 0x0000000706057224 */
        /*0150*/                   WARPGROUP.DEPBAR.LE gsb0, 0x1 ;                       /* 0x00008000000079c8 */
        /*0160*/                   WARPGROUP.DEPBAR.LE gsb0, 0x0 ;                       /* 0x00000000000079c8 */
        /*0170*/                   STG.E.64 desc[UR4][R2.64], R24 ;                      /* 0x0000001802007986 */
\t\tFunction : other_kernel
        /*0100*/                   IMAD R24, R24, R7, R5 ;                               /* 0x0000000706057224 */
"""


def test_a_good_kernel():
    assert check_warpgroups(GOOD) == (1, [])


@pytest.mark.parametrize(
    ("correct", "wrong", "problem"),
    [
        ("IMAD R5, R6, R7, R5", "IMAD R5, R6, R7, R55", "[55] are touched"),
        ("IMAD R5, R6, R7, R5", "STS.64 [R24], R8", "[24] are touched"),
        ("IMAD R5, R6, R7, R5", "WARPGROUP.DEPBAR.LE gsb0, 0x0", "3 waits for 2 products"),
        ("FENCE.VIEW.ASYNC.S", "NOP", "nothing makes written tiles visible"),
        ("gsb0, 0x0", "gsb0, 0x1", "nothing waits for the last product"),
    ],
)
def test_a_planted_fault_is_found(correct, wrong, problem):
    assert GOOD.count(correct) == 1
    num_kernels, problems = check_warpgroups(GOOD.replace(correct, wrong))
    assert num_kernels == 1
    assert len(problems) == 1 and problem in problems[0]


def test_sums_end_with_half_the_columns():
    """64 columns are 32 registers: R24 to R55."""
    assert check_warpgroups(GOOD.replace("IMAD R5, R6, R7, R5", "IMAD R56, R23, R7, R5")) == (1, [])


def test_operands_in_registers():
    """A may be in registers, too. They are no sums."""
    in_registers = GOOD.replace("R24, gdesc[UR12], R24", "R24, R88, gdesc[UR12], R24")
    assert check_warpgroups(in_registers.replace("IMAD R5", "IMAD R88")) == (1, [])
