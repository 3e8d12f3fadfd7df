"""The plans of products and attention, which the library itself makes: gesso._ops of a build with the CUDA backend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from gesso import _ops
from gpu.step_model.assumptions import CARDS
from gpu.step_model.kernels import kernel_of


@dataclass(frozen=True)
class ProductPlan:
    kernel: str  # an entry of kernels.KERNELS
    num_terms: int  # of a row that is a sum of 4-bit floats
    tile_rows: int
    steps: int  # of 64 columns, in each split
    splits: int
    blocks: int
    warps: int  # of a block
    resident: int  # blocks of a multiprocessor, as the plan counts
    shared_bytes: int
    needs_whole_rows: bool = False  # the largest value of a row decides how it is rounded


@dataclass(frozen=True)
class AttentionPlan:
    is_wgmma: bool
    dim: int
    slices: int
    keys: int  # of a step
    # 0: the keys have one part. With mma: of so many steps the last has a block of its own. With wgmma: so many blocks
    # take the steps in turn.
    period: int
    queries: int  # of a tile
    tiles: int
    shared_bytes: int

    @property
    def parts(self) -> int:
        return 1 if self.period == 0 else self.period if self.is_wgmma else 2


@dataclass(frozen=True)
class SoftPlan:
    kernel: str
    step_tokens: int
    blocks: int  # for each 256 rows
    steps: int  # of the busiest block
    pieces: int  # of a block, at most
    all_pieces: int


@cache
def card_of(name: str) -> tuple[int, int, int]:
    """Compute capability, multiprocessors, bytes of shared memory of a block."""
    card: dict[str, Any] = CARDS[name]
    return int(card["arch"].removeprefix("sm_")), card["sms"], card["smem_kb"] * 1024


@cache
def product_plan(
    card: str,
    dtype: str,
    outputs: int,
    columns: int,
    rows: int,
    activations: str,
    is_gated: bool = False,
    num_experts: int = 0,
) -> ProductPlan:
    plan = _ops.plan_gemm(
        card_of(card), dtype, outputs, columns, activations, rows, is_gated=is_gated, num_experts=num_experts
    )
    _, _, num_terms, _, splits, steps = plan["sums"]
    grid_x, grid_y = plan["grid"]
    resident = plan["blocks_at_a_time"] // card_of(card)[1]
    return ProductPlan(
        kernel=kernel_of(plan["text"]),
        num_terms=num_terms,
        tile_rows=plan["tile_rows"],
        steps=steps,
        splits=splits,
        blocks=grid_x * grid_y,
        warps=plan["resident_threads"] // resident // 32,
        resident=resident,
        shared_bytes=plan["shared_bytes"],
        needs_whole_rows=plan["needs_whole_rows"],
    )


@cache
def attention_plan(
    card: str, dim: int, heads: int, key_value_heads: int, has_one_copy: bool, rows: int, sequences: int
) -> AttentionPlan:
    plan = _ops.plan_attention(card_of(card), dim, heads, key_value_heads, rows, sequences, has_one_copy=has_one_copy)
    grid_x, grid_y, _ = plan["grid"]
    # A tile for each sequence may be empty. It is, where the rows of a sequence fill whole tiles.
    return AttentionPlan(*plan["sums"], plan["queries"], (grid_x - sequences) * grid_y, plan["shared_bytes"])


@cache
def soft_plan(card: str, dtype: str, columns: int, tokens: int) -> SoftPlan:
    plan = _ops.plan_soft(card_of(card), dtype, columns, tokens)
    firsts, steps = plan["first_steps"], plan["num_steps"]
    shares = list(pairwise(firsts))
    return SoftPlan(
        kernel="wgmma soft embedding" if plan["is_wgmma"] else "soft embedding",
        step_tokens=plan["step_tokens"],
        blocks=len(shares),
        steps=max(end - first for first, end in shares),
        pieces=max((end - 1) // steps - first // steps + 1 for first, end in shares),
        all_pieces=sum((end - 1) // steps - first // steps + 1 for first, end in shares),
    )
