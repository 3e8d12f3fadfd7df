"""What a warp issues in one step of a kernel's main loop: its instructions by pipe, each block times how often it runs.

A rule says how often the blocks of a loop run in a step. It recognises them by what they hold, since the compiler
decides where they are. For example, blocks that copy raw weights run once per span of several steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpu.step_model.assumptions import COPY_PASSES, EDGES, MASKS, RESCALES, RISES, XU_CYCLES
from gpu.step_model.machine import Machine
from gpu.step_model.machine_code import Block, Instruction

NEVER = 0.0


@dataclass(frozen=True)
class Case:
    """What decides how often the blocks of a loop run, besides the code."""

    span_steps: int = 1  # steps of 64 columns that a raw span of weights holds
    shares: tuple[float, ...] = ()  # how often the n-th block with matrix instructions runs
    other_share: float = 1.0  # and those behind them
    groups: tuple[float, ...] = ()  # of experts: how many of the tiles have more than n groups of 8 rows
    row_copies: float = 1.0  # how often a loop or a block that copies rows or keys alone runs
    decodes: float = 1.0  # of a step: 0.5 where two groups of warps take turns
    begin_alike: bool = False  # whether all rows of the table begin at the same place of 16 bytes (decode/words.h)


@dataclass
class Work:
    """What a warp issues in a step. smem: cycles of shared memory."""

    issue: float = 0
    alu: float = 0  # instructions
    fma: float = 0  # cycles, as all below
    xu: float = 0
    smem: float = 0
    products: float = 0  # instructions of HMMA, IMMA and OMMA
    hmma: float = 0  # as many products of the shape that the assumption is about
    imma: float = 0
    omma: float = 0
    wgmma_columns: float = 0  # of all warpgroup products together; each multiplies 64 rows by 16
    groups: float = 0  # blocks with matrix instructions
    stores: float = 0  # instructions that store to shared memory
    barriers: float = 0  # of the block

    def add(self, instruction: Instruction, times: float) -> None:
        name, pipe = instruction.name, instruction.pipe
        self.issue += times
        self.barriers += times if name == "BAR" else 0
        if pipe == "alu":
            self.alu += times
        elif pipe == "fp32":
            self.fma += times
        elif pipe == "imad":
            self.fma += times * (1 if ".MOV" in instruction.opcode else 1.5)
        elif pipe == "xu":
            self.xu += times * XU_CYCLES
        elif name == "HGMMA":
            self.wgmma_columns += times * wgmma_columns(instruction)
            self.smem += times * wgmma_passes(instruction) / 4  # a warpgroup's pass counts for each of its 4 warps
        elif pipe == "matrix":
            setattr(self, name.lower(), getattr(self, name.lower()) + times * share_of_depth(instruction))
            self.products += times
        elif pipe == "memory" and not instruction.never_runs:
            self.smem += times * passes(instruction)
            self.stores += times if name.startswith("STS") else 0

    def cycles(self, machine: Machine, warps: int) -> dict[str, float]:
        """Cycles of a multiprocessor for a step of a block, by pipe. It has four schedulers and one shared memory."""
        products = self.hmma * machine.hmma + self.imma * machine.imma + self.omma * machine.omma
        each = warps / 4
        return {
            "issue": self.issue * each,
            "alu": self.alu * machine.alu * each,
            "fma": self.fma * each,
            "xu": self.xu * each,
            "smem": self.smem * warps,
            "tensor": (products + self.wgmma_columns / 2 * machine.wgmma) * each,
        }


def share_of_depth(instruction: Instruction) -> float:
    """IMMA.16816 multiplies half as many numbers as IMMA.16832, whose cycles the assumption has from data sheets."""
    return 0.5 if instruction.opcode.startswith("IMMA.16816") else 1.0


def wgmma_columns(instruction: Instruction) -> int:
    """HGMMA.64x256x16.F32.BF16 -> 256. 64 x 256 x 16 products take 128 cycles at 2048 of them per cycle."""
    found = re.search(r"64x(\d+)x16", instruction.opcode)
    if not found:
        raise ValueError(f"{instruction.opcode}: expected a product of 64 x n x 16")
    return int(found[1])


def wgmma_passes(instruction: Instruction) -> float:
    """Passes of 128 bytes that a warpgroup product reads: B [n, 16], and A [64, 16] unless it lies in registers."""
    a_in_registers = re.match(r"R\d+[^,]*, R\d+[^,]*, gdesc", instruction.arguments)  # else one gdesc is of both
    return wgmma_columns(instruction) / 4 + (0 if a_in_registers else 16)


def passes(instruction: Instruction) -> float:
    """How many cycles shared memory is busy with an instruction of a warp. Its lanes' bytes are in different banks."""
    opcode, name = instruction.opcode, instruction.name
    if name == "LDSM":
        return 4 if opcode.endswith(".4") else 2
    if name == "LDGSTS":
        return COPY_PASSES
    if opcode.startswith(("LDS.128", "STS.128")):
        return 4
    if opcode.startswith(("LDS.64", "STS.64")):
        return 2
    return 1 if name.startswith(("LDS", "STS")) else 0


Rule = Callable[[Sequence[Block], Case], list[float]]  # how often each block runs in a step


def warp_product(blocks: Sequence[Block], case: Case) -> list[float]:
    """gemm_bf16, gemm_int8, gemm_fp4. The first copies are of rows of x. Those behind the first short branch, or behind
    the first block of copies, are of raw weights. gemm_fp4 reads the scales of NVFP4 once per span, and masks them."""
    copies = [i for i, block in enumerate(blocks) if block.has("LDGSTS") and not block.multiplies]
    skips = [i for i, block in enumerate(blocks) if len(block) <= 3 and block.has("BRA")]
    behind = [i for i in copies[1:] if any(copies[0] < skip < i for skip in skips)]
    raw_copies = [i for i in copies if i >= (behind or copies[1:] or copies)[0]]
    times = [1.0] * len(blocks)
    for i in raw_copies:
        times[i] = 1 / case.span_steps
    for i, block in enumerate(blocks):
        if block.has("STS") and not block.multiplies:
            times[i] = case.decodes
        if not block.multiplies and any("0x7f7f7f7f" in instruction.arguments for instruction in block):
            times[i] = 1 / case.span_steps
    for n, i in enumerate(i for i, block in enumerate(blocks) if block.multiplies):
        times[i] = case.shares[n] if n < len(case.shares) else case.other_share
    return times


def warpgroup_product(blocks: Sequence[Block], case: Case) -> list[float]:
    """gemm_wgmma, a loop over a span or a part of it. Four warpgroup products are a step. The first copies are of rows
    of x. Those behind them are of raw weights, and come once per span. So do stores, which are of a span's scales."""
    steps = sum(block.count("HGMMA") for block in blocks) / 4
    copies = [i for i, block in enumerate(blocks) if block.has("LDGSTS")]
    times = [1 / steps] * len(blocks)
    for i, block in enumerate(blocks):
        if i in copies[1:] or (block.has("STS") and not block.multiplies):
            times[i] = 1 / max(steps, case.span_steps)
    return times


def warpgroup_spans(blocks: Sequence[Block], case: Case) -> list[float]:
    """A loop over whole spans, or over steps: four warpgroup products are a step. In a loop over steps the first copies
    are of rows of x. Those behind them are of raw weights. So it is in a loop over spans that may leave out the copies
    of rows. Where a step has blocks with products of 64, 96 and more rows, a tile takes the first that is wide enough:
    with 100 rows that of 128."""
    widths = [max((wgmma_columns(x) for x in block if x.name == "HGMMA"), default=0) for block in blocks]
    cases = sorted(set(widths) - {0})
    steps = sum(block.count("HGMMA") for block in blocks) / 4 / len(cases)
    # The part of the tiles that have more rows than each case but the last one serves.
    more = [case.groups[width // 8] if width // 8 < len(case.groups) else 0.0 for width in cases[:-1]]
    shares = dict(zip(cases, [a - b for a, b in zip([1.0, *more], [*more, 0.0], strict=True)], strict=True))
    times = [shares.get(width, 1.0) / steps for width in widths]
    copies = copying(blocks)
    for i in copies[1:]:
        times[i] = 1 / max(steps, case.span_steps)
    if len(copies) > 1:
        times[copies[0]] *= case.row_copies
    for i in rescaling(blocks):
        times[i] *= RESCALES
    return times


def copying(blocks: Sequence[Block]) -> list[int]:
    return [i for i, block in enumerate(blocks) if block.has("LDGSTS")]


def rescaling(blocks: Sequence[Block]) -> list[int]:
    """The blocks for which a warp has voted, up to the next one that rounds to f16. They choose powers of two."""
    found, is_rescaling = [], False
    for i, block in enumerate(blocks):
        is_rescaling = is_rescaling and not block.has("F2FP")
        if is_rescaling:
            found.append(i)
        is_rescaling = is_rescaling or block.has("VOTE")
    return found


def attention(blocks: Sequence[Block], case: Case) -> list[float]:
    def times(block: Block) -> float:
        if block.has("LDGSTS") and block.is_loop:
            return EDGES * case.row_copies
        if block.has("LDG", "LD"):  # addresses for such a step; others keep theirs
            return EDGES
        if block.multiplies:
            return 1.0
        return MASKS if block.count("FSEL") > 6 else RISES if block.count("FMUL") > 40 else 1.0

    return [times(block) for block in blocks]


def every_block(blocks: Sequence[Block], case: Case) -> list[float]:
    return [1.0] * len(blocks)


def soft_embedding_of_pairs(blocks: Sequence[Block], case: Case) -> list[float]:
    """soft_embed_wgmma, a loop over two steps. One of the eight warps starts the copies of weights: the blocks that a
    branch leaves out together with such a copy."""
    steps = sum(block.count("HGMMA") for block in blocks) / 4
    times = [1 / steps] * len(blocks)
    ends = [block[-1].target or 0 if block[-1].name == "BRA" else 0 for block in blocks]
    for copy in (i for i, block in enumerate(blocks) if block.has("UBLKCP")):
        products = max(i for i in range(copy) if blocks[i].multiplies)
        first = next(i for i in range(products, copy) if ends[i] > blocks[copy][0].address)
        for i in range(first + 1, copy + 1):
            times[i] = 1 / steps / 8
    return times


def soft_embedding(blocks: Sequence[Block], case: Case) -> list[float]:
    """Decoding stands behind the copies, up to the stores. It reads a row in one of two ways. Blocks with R2P read
    whole pieces, those without it words."""
    committed = max(i for i, block in enumerate(blocks) if block.has("LDGDEPBAR"))
    stores = max(i for i, block in enumerate(blocks) if block.has("STS"))

    def times(i: int, block: Block) -> float:
        if not committed < i <= stores:
            return 1.0
        is_way = block.has("LDS") and not block.has("F2FP") and len(block) < 30
        return case.decodes if not is_way or block.has("R2P") == case.begin_alike else NEVER

    return [times(i, block) for i, block in enumerate(blocks)]


def count(blocks: Sequence[Block], rule: Rule, case: Case) -> Work:
    work = Work()
    for block, times in zip(blocks, rule(blocks, case), strict=True):
        work.groups += times if block.multiplies else 0
        for instruction in block:
            work.add(instruction, times)
    return work
