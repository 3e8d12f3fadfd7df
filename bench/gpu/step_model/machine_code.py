"""Reads what cuobjdump -sass shows of a kernel: its instructions, its main loop, and the loop's basic blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

LINE = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z][A-Z0-9_.a-z]*)\s*([^;]*);")
MATRIX = ("HMMA", "IMMA", "HGMMA", "OMMA", "QMMA")
# The execution pipe of an instruction, by its name without modifiers. What is in no list runs on the ALU.
PIPES = {
    "fp32": ("FFMA", "FADD", "FMUL", "FFMA2", "HADD2", "HFMA2", "HMUL2", "HMNMX2", "HSET2", "HSETP2"),
    "imad": ("IMAD",),
    "xu": ("MUFU", "F2F", "I2F", "F2I", "FRND", "POPC", "F2IP", "BREV", "FLO"),
    "memory": (
        *("LDS", "LDSM", "STS", "LDGSTS", "LDG", "STG", "LDL", "STL", "LD", "ST", "SHFL", "STSM", "ATOMS", "RED"),
        *("LDC", "LDCU", "S2R", "VOTE"),
    ),
    "sync": ("BAR", "DEPBAR", "LDGDEPBAR", "WARPSYNC", "WARPGROUP", "FENCE", "CCTL", "MEMBAR", "ERRBAR", "NANOSLEEP"),
    "branch": ("BRA", "BSSY", "BSYNC", "EXIT", "CALL", "RET", "BREAK", "BMOV", "NOP", "YIELD", "JMP"),
    "uniform": ("R2UR", "S2UR", "ULDC"),
    "fp64": ("DADD", "DFMA", "DMUL", "DSETP"),
    "matrix": MATRIX,
}
PIPE_OF = {name: pipe for pipe, names in PIPES.items() for name in names}


class Instruction(NamedTuple):
    address: int
    predicate: str
    opcode: str  # with its modifiers: LDS.128
    arguments: str

    @property
    def name(self) -> str:
        return self.opcode.split(".")[0]

    @property
    def pipe(self) -> str:
        name = self.name
        return PIPE_OF.get(name, "uniform" if name.startswith("U") else "alu")

    @property
    def never_runs(self) -> bool:
        """Whether the predicate is constantly false. The compiler puts such loads before copies and fences: they are
        issued, and do nothing."""
        return self.predicate in ("!PT", "!UPT")

    @property
    def target(self) -> int | None:
        """The address that a branch goes to."""
        found = re.search(r"0x([0-9a-f]+)\s*$", self.arguments) or re.search(r"0x([0-9a-f]+)", self.arguments)
        return int(found[1], 16) if found else None


class Block(tuple[Instruction, ...]):
    """Instructions that run one after another: nothing jumps into their middle, and only the last one may branch."""

    def has(self, *names: str) -> bool:
        return any(instruction.name in names for instruction in self)

    def count(self, name: str) -> int:
        return sum(instruction.name == name for instruction in self)

    @property
    def multiplies(self) -> bool:
        return self.has(*MATRIX)

    @property
    def is_loop(self) -> bool:
        """Whether the block repeats itself."""
        return self[-1].name == "BRA" and self[-1].target == self[0].address


def read(listing: str) -> list[Instruction]:
    """The instructions of a listing of one kernel for one architecture."""
    matches = (LINE.match(line) for line in listing.splitlines())
    return [Instruction(int(m[1], 16), m[2] or "", m[3], m[4].strip()) for m in matches if m]


def backward_branches(code: Sequence[Instruction]) -> Iterator[tuple[int, int]]:
    for instruction in code:
        if instruction.name == "BRA" and instruction.target is not None and instruction.target < instruction.address:
            yield instruction.target, instruction.address


def main_loop(code: Sequence[Instruction]) -> tuple[int, int]:
    """The first and the last address of the shortest of those loops that hold the most matrix instructions, or, in a
    kernel without them, the most multiplications of float32."""
    products = [instruction.address for instruction in code if instruction.name in MATRIX]
    products = products or [instruction.address for instruction in code if instruction.name == "FFMA"]
    loops = [(sum(a <= p <= b for p in products), a - b, a, b) for a, b in backward_branches(code)]
    if not loops or max(loops)[0] == 0:
        raise ValueError(f"none of {len(loops)} loops holds one of the {len(products)} products")
    first_of_best = max(loops, key=lambda loop: loop[:2])
    return first_of_best[2], first_of_best[3]


def loop_blocks(code: Sequence[Instruction]) -> list[Block]:
    """The basic blocks of the main loop."""
    begin, end = main_loop(code)
    targets = {instruction.target for instruction in code if instruction.name in ("BRA", "BSSY")}
    blocks: list[Block] = []
    current: list[Instruction] = []
    for instruction in code:
        if not begin <= instruction.address <= end:
            continue
        if instruction.address in targets and current:
            blocks.append(Block(current))
            current = []
        current.append(instruction)
        if instruction.name == "BRA":
            blocks.append(Block(current))
            current = []
    return [*blocks, Block(current)] if current else blocks
