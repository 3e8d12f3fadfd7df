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


def test_bulk_copies_need_no_fence():
    assert check_warpgroups(GOOD.replace("FENCE.VIEW.ASYNC.S", "UBLKCP.MULTICAST")) == (1, [])


def test_sums_end_with_half_the_columns():
    """64 columns are 32 registers: R24 to R55."""
    assert check_warpgroups(GOOD.replace("IMAD R5, R6, R7, R5", "IMAD R56, R23, R7, R5")) == (1, [])


def test_sums_are_touched_between_groups():
    """All products are waited for, the sums are scaled, and others begin."""
    scaled = """WARPGROUP.DEPBAR.LE gsb0, 0x0 ;  /* 0x0 */
        /*0134*/                   FMUL R24, R24, R5 ;  /* 0x0 */
        /*0138*/                   HGMMA.64x64x16.F32.BF16 R24, gdesc[UR12], R24, gsb0 ;  /* 0x0 */
        /*0140*/                   IMAD R5, R6, R7, R5"""
    assert check_warpgroups(GOOD.replace("IMAD R5, R6, R7, R5", scaled)) == (1, [])
    early = scaled.replace("gsb0, 0x0", "gsb0, 0x1", 1)
    assert "[24] are touched" in check_warpgroups(GOOD.replace("IMAD R5, R6, R7, R5", early))[1][0]


# The last product has A in R88 to R91, and nothing waits for it before the IMAD.
IN_REGISTERS = GOOD.replace("R24, gdesc[UR12], R24", "R24, R88, gdesc[UR12], R24")


@pytest.mark.parametrize("instruction", ["IMAD R5, R88, R7, R5", "IMAD R92, R6, R7, R5", "STS.64 [R88], R90"])
def test_operands_in_registers(instruction):
    """They are no sums, and may be read."""
    assert check_warpgroups(IN_REGISTERS.replace("IMAD R5, R6, R7, R5", instruction)) == (1, [])


@pytest.mark.parametrize(
    ("instruction", "registers"),
    [
        ("IMAD R91, R6, R7, R5", [91]),
        ("@!P0 LDS.128 R84, [R5]", []),
        ("@P1 LDS.128 R88, [R5]", [88, 89, 90, 91]),
        ("LDSM.16.M88.4 R84, [R5]", []),
        ("LDSM.16.M88.4 R88, [R5]", [88, 89, 90, 91]),
        ("LDSM.16.M88.2 R90, [R5]", [90, 91]),
        ("SHFL.IDX PT, R90, R5, R6, 0x1f", [90]),
        ("LOP3.LUT P0, R88, R5, R6, RZ, 0xc0, !PT", [88]),
    ],
)
def test_operands_are_not_written_early(instruction, registers):
    _, problems = check_warpgroups(IN_REGISTERS.replace("IMAD R5, R6, R7, R5", instruction))
    found = f"product_kernel: operands in registers {registers} are written while products run"
    assert problems == ([found] if registers else [])


def test_operands_are_written_after_a_wait():
    """The first wait leaves one group under way, the second none."""
    late = "IMAD R88, R6, R7, R5 ;  /* 0x0 */\n        /*0170*/                   STG.E.64"
    assert check_warpgroups(IN_REGISTERS.replace("STG.E.64", late)) == (1, [])
    between = "IMAD R88, R6, R7, R5 ;  /* 0x0 */\n        /*0160*/                   WARPGROUP.DEPBAR.LE gsb0, 0x0"
    assert len(check_warpgroups(IN_REGISTERS.replace("WARPGROUP.DEPBAR.LE gsb0, 0x0", between))[1]) == 1


TWO_GROUPS = """
\t\tFunction : product_kernel
        /*0100*/                   IMAD R5, R6, R7, R5 ;                                 /* 0x0000000706057224 */
        /*0110*/                   FENCE.VIEW.ASYNC.S ;                                  /* 0x00000000000073c6 */
        /*0120*/                   HGMMA.64x32x16.F32.BF16 R8, gdesc[UR8], !UPT, gsb0 ;  /* 0x00e00000080079f0 */
        /*0130*/                   HGMMA.64x64x16.F32.BF16 R24, gdesc[UR8], R24, gsb0 ;  /* 0x00e000000c1879f0 */
        /*0140*/                   WARPGROUP.DEPBAR.LE gsb0, 0x1 ;                       /* 0x00008000000079c8 */
        /*0150*/                   FADD R8, R9, R23 ;                                    /* 0x0000000009087221 */
        /*0160*/               @P0 BRA 0x100 ;                                           /* 0xfffffffc00c48947 */
        /*0170*/                   WARPGROUP.DEPBAR.LE gsb0, 0x0 ;                       /* 0x00000000000079c8 */
        /*0180*/                   FMUL R24, R24, R5 ;                                   /* 0x0000000518187220 */
"""


@pytest.mark.parametrize(
    ("correct", "wrong", "registers"),
    [
        ("FADD R8, R9, R23", "FADD R8, R9, R23", []),  # the sums of a group that was waited for
        ("FADD R8, R9, R23", "FADD R8, R9, R24", [24]),  # the other group still runs
        ("IMAD R5, R6, R7, R5", "IMAD R5, R55, R7, R5", [55]),  # so it does in the next turn of the loop
    ],
)
def test_groups_are_waited_for_one_by_one(correct, wrong, registers):
    _, problems = check_warpgroups(TWO_GROUPS.replace(correct, wrong))
    found = f"product_kernel: sums in registers {registers} are touched while products run"
    assert problems == ([found] if registers else [])
