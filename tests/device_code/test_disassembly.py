"""What is kept of a listing, and how it is read. No program of NVIDIA's is needed."""

import os

from device_code import disassembly

SHOWN = """
arch = sm_80
\t\tFunction : first_kernel
        /*0000*/                   MOV R1, c[0x0][0x28] ;          /* 0x00000a0000017a02 */
                                                                   /* 0x000fe40000000f00 */
        /*0010*/              @!P0 LDG.E.64 R2, [R4.64] ;          /* 0x0000000404027981 */
                                                                   /* 0x000ea20000000b00 */
\t\tFunction : second_kernel
        /*0000*/                   EXIT ;                          /* 0x000000000000794d */
arch = sm_90
\t\tFunction : first_kernel
        /*0000*/               @P1 HMMA.16816.F32 R4, R8, R6, R4 ; /* 0x000000060804723c */
"""
OPCODES = {
    ("first_kernel", "sm_80"): {"MOV", "LDG.E.64"},
    ("second_kernel", "sm_80"): {"EXIT"},
    ("first_kernel", "sm_90"): {"HMMA.16816.F32"},
}


def test_a_listing_is_kept_until_the_object_changes(tmp_path, monkeypatch):
    compiled = tmp_path / "kernels.cu.o"
    compiled.write_bytes(b"")
    asked = []
    monkeypatch.setattr(disassembly, "run_cuobjdump", lambda path: asked.append(path) or SHOWN)
    for _ in range(2):
        assert disassembly.disassemble(compiled) == OPCODES
    assert asked == [compiled]
    assert "/* 0x" not in disassembly.listing(compiled)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kernels.cu.o", "kernels.cu.o.sass"]

    later = (tmp_path / "kernels.cu.o.sass").stat().st_mtime_ns + 1
    os.utime(compiled, ns=(later, later))
    disassembly.listing(compiled)
    assert asked == [compiled] * 2


def test_the_part_of_a_kernel():
    parts = disassembly.split(SHOWN)
    assert parts.keys() == OPCODES.keys()
    assert "LDG" in parts["first_kernel", "sm_80"] and "EXIT" not in parts["first_kernel", "sm_80"]
