"""The kernels with a main loop: where their machine code is and how it is read. Each has one entry in KERNELS.

A product's entry has the name that its plan begins with ("mma int8"), so a new kernel of products is one entry more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path

from device_code.disassembly import listing, split
from device_code.ptxas_report import Usage, read_report
from gesso.files.tensor import tensor_types
from gpu.step_model.loops import (
    Case,
    Rule,
    Work,
    attention,
    copying,
    count,
    every_block,
    soft_embedding,
    soft_embedding_of_pairs,
    warp_product,
    warpgroup_product,
    warpgroup_spans,
)
from gpu.step_model.machine_code import Block, loop_blocks, read

ROOT = Path(__file__).resolve().parents[3]
OBJECTS = ROOT / "build/cuda/CMakeFiles/gesso.dir/csrc/cuda"  # `make cuda` puts them there
SITE = ROOT / "build/cuda/site/gesso"  # the package with the plans

# Steps of 64 columns in a raw span of weights, by the type (RawSpan in gemm/kernels/raw_tile.cuh).
SPAN_STEPS = {"Q4_K": 4, "Q6_K": 4, "Q5_0": 2, "Q8_0": 2, "NVFP4": 4, "F32": 1, "Q4_0": 4}

# Bytes of a row that wgmma soft embedding copies for 128 columns of 256 in a block: 10 pieces, or 9.
PART_BYTES = {"Q6_K": 9.5 * 16}

# An architecture without machine code of its own runs that of an earlier minor version.
CODE_OF = {"sm_89": "sm_86", "sm_121": "sm_120"}

NARROW_ROWS = 32  # a tile with more rows of x is wide
STEP_COLUMNS = 64


@dataclass(frozen=True)
class Kernel:
    source: str  # the objects' names below csrc/cuda, as a pattern: the types of weights are spread over several
    symbol: str  # a regular expression of the mangled name; {type}, {decoder}, {rows} and others are filled in
    rule: Rule  # how often each block of its loop runs
    warps: int = 4  # of a block; a wide tile has more, as its plan says, and so have three or four warpgroups
    wide_groups: int = 1  # so many times that in a block with more than 32 rows of x; the groups decode in turn
    weight_rows: int = 64  # of so many warps of a product
    step_row_bytes: int = 128  # of a row of x and its scales, in a step of 64 columns
    architecture: str = ""  # "a" where it is compiled for sm_90a or sm_120a
    is_asynchronous: bool = False  # whether a step's products run beside what the same warps do next
    sharing: int = 1  # so many blocks get the rows of x, or the weights of the soft embedding, by one copy from L2
    has_runs: bool = False  # whether a block's tiles with the same rows of x follow one another without a pause
    copies_rows_alone: bool = False  # of experts: whether only rows that are there are copied, or whole groups of 8
    kept_steps: int = 0  # of experts: so many steps of a row may stay for a run of narrow tiles

    def groups_of(self, tile_rows: int) -> int:
        return self.wide_groups if tile_rows > NARROW_ROWS else 1

    def row_bytes(self, columns: int) -> int:
        """Of a row of x as the kernel reads it. It has whole steps."""
        return ceil(columns / STEP_COLUMNS) * self.step_row_bytes


KERNELS = {
    "mma bf16": Kernel(
        "gemm/kernels/gemm_bf16_*.cu", "gemm_bf16_kernelINS0_{decoder}ELi{rows}E", warp_product, wide_groups=2
    ),
    "mma int8": Kernel(
        "gemm/kernels/gemm_int8_*.cu",
        "gemm_int8_kernelINS0_{decoder}ELi{rows}E",
        warp_product,
        wide_groups=2,
        step_row_bytes=80,
    ),
    "mma fp4": Kernel(
        "gemm/kernels/gemm_fp4_sm120a.cu",
        "gemm_fp4_kernelINS0_12NvFp4WeightsELi{terms}ELi{rows}E",
        warp_product,
        wide_groups=2,
        architecture="a",
        step_row_bytes=80,
    ),
    "wgmma bf16": Kernel(
        "gemm/kernels/gemm_wgmma_sm90a.cu",
        "gemm_wgmma_kernelILNS_5DTypeE{type}ELi{rows}ELi{groups}E",
        warpgroup_product,
        architecture="a",
        is_asynchronous=True,
    ),
    "wgmma experts": Kernel(
        "gemm/kernels/gemm_experts_wgmma_sm90a.cu",
        "gemm_experts_kernelILNS_5DTypeE{type}ELi{rows}E",
        warpgroup_spans,
        warps=8,
        weight_rows=128,
        architecture="a",
        is_asynchronous=True,
        has_runs=True,
        copies_rows_alone=True,
        kept_steps=12,
    ),
    "attention": Kernel("attention.cu", "attention_kernel.*ILi{dim}ELi{slices}ELi{keys}ELb{one_copy}E", attention),
    "wgmma attention": Kernel(
        "attention/attention_wgmma_sm90a.cu",
        "attention_wgmma_kernel.*GroupTileILi{dim}E",
        attention,
        architecture="a",
        is_asynchronous=True,
    ),
    "router": Kernel("router.cu", "router_kernel", every_block, warps=8),
    "soft embedding": Kernel(
        "vocabulary/soft_embed_mma.cu",
        "soft_embed_mma_kernelINS0_{decoder}E",
        soft_embedding,
        warps=8,
    ),
    "wgmma soft embedding": Kernel(
        "vocabulary/soft_embed_wgmma_sm90a.cu",
        "soft_embed_wgmma_kernelILNS_5DTypeE{type}E",
        soft_embedding_of_pairs,
        warps=8,
        architecture="a",
        is_asynchronous=True,
        sharing=2,
    ),
}


def kernel_of(plan: str) -> str:
    """The entry that a plan's text begins with: "mma int8 24 rows x 1 split, .." is of "mma int8"."""
    for name in KERNELS:
        if plan.startswith(f"{name} "):
            return name
    raise LookupError(f"no entry of KERNELS is for the plan {plan!r}")


def names_of(dtype: str) -> dict[str, object]:
    """What a symbol has of a type: the type's number, and the mangled name of its decoder."""
    number = tensor_types()[dtype].id
    return {"type": number, "decoder": "12SplitDecoder" if dtype == "F32" else f"11TileDecoderILNS_5DTypeE{number}EE"}


def check_complete(objects: Path = OBJECTS, modules: Path = SITE) -> None:
    """The plans come from a module that is linked behind the objects. If a build stopped in between, they would be
    plans for other kernels."""
    linked = next(modules.glob("_ops*.so"), None)
    if not linked:
        raise FileNotFoundError(f"{modules}/_ops*.so: there is none; `make cuda` makes it")
    for compiled in sorted(objects.rglob("*.o")):
        if compiled.stat().st_mtime_ns > linked.stat().st_mtime_ns:
            raise ValueError(f"{compiled} is newer than {linked}: the build has not ended; run `make cuda` again")


@cache
def usages(pattern: str) -> dict[Path, list[Usage]]:
    """The registers of all kernels in the objects that a pattern names."""
    check_complete()
    objects = sorted(OBJECTS.glob(f"{pattern}.o"))
    if not objects:
        raise FileNotFoundError(f"{OBJECTS}/{pattern}.o: there is none; `make cuda` makes it")
    return {compiled: read_report(compiled) for compiled in objects}


@cache
def find(kernel: str, arch: str, **names: object) -> tuple[Path, Usage]:
    """The object and the compiler's report of one instance. names: what the kernel's symbol has in braces."""
    entry = KERNELS[kernel]
    pattern = re.compile(entry.symbol.format(**names))
    arch = CODE_OF.get(arch, arch)
    found = [
        (compiled, usage)
        for compiled, list_of_object in usages(entry.source).items()
        for usage in list_of_object
        if usage.architecture == arch + entry.architecture and pattern.search(usage.symbol)
    ]
    if not found:
        raise LookupError(f"{kernel}: no {pattern.pattern} for {arch + entry.architecture} in {entry.source}")
    return found[0]


def registers(kernel: str, arch: str, **names: object) -> int:
    return find(kernel, arch, **names)[1].registers


@cache
def listings(compiled: Path) -> dict[tuple[str, str], str]:
    """By symbol and architecture."""
    return split(listing(compiled))


@cache
def blocks_of(compiled: Path, architecture: str, symbol: str) -> list[Block]:
    return loop_blocks(read(listings(compiled)[symbol, architecture]))


def work(kernel: str, arch: str, case: Case, **names: object) -> Work:
    """What a warp of the kernel issues in a step."""
    compiled, usage = find(kernel, arch, **names)
    entry = KERNELS[kernel]
    blocks = blocks_of(compiled, usage.architecture, usage.symbol)
    return count(blocks, entry.rule, case)


def may_leave_out_rows(kernel: str, arch: str, **names: object) -> bool:
    """Whether the loop has a branch around the copies of rows of x, so that those of raw weights are a block of their
    own."""
    compiled, usage = find(kernel, arch, **names)
    return len(copying(blocks_of(compiled, usage.architecture, usage.symbol))) > 1


def product_case(kernel: str, dtype: str, **more: object) -> Case:
    """The case of a kernel that reads raw weights of a type."""
    return Case(span_steps=SPAN_STEPS[dtype], **more)
