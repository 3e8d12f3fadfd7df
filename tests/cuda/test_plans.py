"""The plans of products and of attention: what the 26B model gets on every supported card, without having one.

A plan is a function of the card's properties, the weight and the number of rows. It decides how fast a step is, and
half of it the bits of the results. So it must not change unnoticed: whoever changes a plan changes these tables.
"""

from itertools import pairwise

import pytest

from gesso import _ops
from reference.stored import BLOCKS, FLOATS

# Compute capability, multiprocessors, and the bytes of shared memory that a block can have (NVIDIA's data sheets).
CARDS = {
    "A100": (80, 108, 163 * 1024),
    "RTX 3090": (86, 82, 99 * 1024),
    "RTX 4090": (89, 128, 99 * 1024),
    "H100": (90, 132, 227 * 1024),
    "H200": (90, 132, 227 * 1024),
    "RTX 5090": (120, 170, 99 * 1024),
    "GB10": (121, 48, 99 * 1024),
}
SAME_AS = {"H200": "H100"}  # but for its memory
# Cards that gesso has no kernels of their own for. They take those that every card has.
OTHERS = {
    "B200": (100, 148, 227 * 1024),
    "B300": (103, 148, 227 * 1024),
    "Thor": (110, 20, 227 * 1024),
}
# How activations are rounded when nobody asks for anything else.
ROUNDING = {"A100": "bf16", "H100": "bf16", "H200": "bf16"}  # the others: int8

# Weights of the 26B model: type, N, K, rows of the result. A canvas has 256 rows, each with 8 of 128 experts.
WEIGHTS = {
    "attn_q": ("Q4_K", 4096, 2816, 256),
    "attn_q of 1 row": ("Q4_K", 4096, 2816, 1),
    "attn_output of full layers": ("Q4_K", 2816, 8192, 256),
    "ffn_gate, ffn_up": ("Q4_K", 2112, 2816, 256),
    "ffn_down": ("Q8_0", 2816, 2112, 256),
    "ffn_down in NVFP4": ("NVFP4", 2816, 2112, 256),
    "ffn_down in IQ3_S": ("IQ3_S", 2816, 2112, 256),
    "ffn_gate_inp": ("F32", 128, 2816, 256),
    "ffn_gate_up_exps": ("Q4_K", 704, 2816, 8 * 256),
    "ffn_gate_up_exps of 8 canvases": ("Q4_K", 704, 2816, 8 * 8 * 256),
    "output": ("Q6_K", 4096, 2816, 256),
}

# The soft embedding of the 26B model, with a chunk of 8192 tokens of its table: the kernel, tokens of a step, blocks,
# steps of the busiest block, and the pieces of the sums.
SOFT_EMBEDDING = {
    "A100": ("mma", 32, 108, 53, 128),
    "RTX 3090": ("mma", 32, 82, 69, 102),
    "RTX 4090": ("mma", 32, 128, 44, 148),
    "H100": ("wgmma", 64, 132, 22, 132),
    "RTX 5090": ("mma", 32, 170, 34, 190),
    "GB10": ("mma", 32, 48, 118, 68),
}

# The plan, steps of 64 columns per split, bytes of shared memory of a block.
PRODUCTS = {
    "A100": {
        "attn_q": ("mma bf16 128 rows x 2 splits, 256 blocks, 2.4 waves", 24, 83968),
        "attn_q of 1 row": ("mma bf16 24 rows x 2 splits, 128 blocks, 0.4 waves", 24, 44032),
        "attn_output of full layers": ("mma bf16 128 rows x 1 split, 88 blocks, 0.8 waves", 128, 83968),
        "ffn_gate, ffn_up": ("mma bf16 128 rows x 4 splits, 528 blocks, 4.9 waves", 12, 83968),
        "ffn_down": ("mma bf16 128 rows x 1 split, 88 blocks, 0.8 waves", 33, 88544),
        "ffn_down in NVFP4": ("mma bf16 128 rows x 1 split, 88 blocks, 0.8 waves", 33, 88544),
        "ffn_down in IQ3_S": ("mma bf16 128 rows x 1 split, 88 blocks, 0.8 waves", 33, 83968),
        "ffn_gate_inp": ("mma bf16 128 rows of 2 terms x 6 splits, 24 blocks, 0.2 waves", 24, 100352),
        "ffn_gate_up_exps": ("mma bf16 24 rows x 1 split, 324 blocks, 1.0 waves", 44, 44564),
        "ffn_gate_up_exps of 8 canvases": ("mma bf16 128 rows x 1 split, 108 blocks, 1.0 waves", 44, 84516),
        "output": ("mma bf16 128 rows x 2 splits, 256 blocks, 2.4 waves", 24, 96736),
    },
    "RTX 3090": {
        "attn_q": ("mma int8 256 rows x 1 split, 64 blocks, 0.8 waves", 44, 90112),
        "attn_q of 1 row": ("mma int8 24 rows x 1 split, 64 blocks, 0.4 waves", 44, 34432),
        "attn_output of full layers": ("mma int8 256 rows x 3 splits, 132 blocks, 1.6 waves", 44, 90112),
        "ffn_gate, ffn_up": ("mma int8 256 rows x 1 split, 66 blocks, 0.8 waves", 44, 90112),
        "ffn_down": ("mma int8 256 rows x 3 splits, 132 blocks, 1.6 waves", 12, 94688),
        "ffn_down in NVFP4": ("mma int8 256 rows x 3 splits, 132 blocks, 1.6 waves", 12, 94688),
        "ffn_down in IQ3_S": ("mma bf16 128 rows x 3 splits, 264 blocks, 3.2 waves", 12, 83968),
        "ffn_gate_inp": ("mma bf16 128 rows of 2 terms x 6 splits, 24 blocks, 0.3 waves", 24, 100352),
        "ffn_gate_up_exps": ("mma int8 24 rows x 1 split, 164 blocks, 1.0 waves", 44, 34964),
        "ffn_gate_up_exps of 8 canvases": ("mma int8 256 rows x 1 split, 82 blocks, 1.0 waves", 44, 90660),
        "output": ("mma int8 256 rows x 1 split, 64 blocks, 0.8 waves", 44, 82400),
    },
    "RTX 4090": {
        "attn_q": ("mma int8 256 rows x 2 splits, 128 blocks, 1.0 waves", 24, 90112),
        "attn_q of 1 row": ("mma int8 24 rows x 2 splits, 128 blocks, 0.5 waves", 24, 34432),
        "attn_output of full layers": ("mma int8 256 rows x 8 splits, 352 blocks, 2.8 waves", 16, 90112),
        "ffn_gate, ffn_up": ("mma int8 256 rows x 3 splits, 198 blocks, 1.5 waves", 16, 90112),
        "ffn_down": ("mma int8 256 rows x 2 splits, 88 blocks, 0.7 waves", 20, 94688),
        "ffn_down in NVFP4": ("mma int8 256 rows x 2 splits, 88 blocks, 0.7 waves", 20, 94688),
        "ffn_down in IQ3_S": ("mma bf16 128 rows x 1 split, 88 blocks, 0.7 waves", 33, 83968),
        "ffn_gate_inp": ("mma bf16 128 rows of 2 terms x 6 splits, 24 blocks, 0.2 waves", 24, 100352),
        "ffn_gate_up_exps": ("mma int8 24 rows x 1 split, 256 blocks, 1.0 waves", 44, 34964),
        "ffn_gate_up_exps of 8 canvases": ("mma int8 256 rows x 1 split, 128 blocks, 1.0 waves", 44, 90660),
        "output": ("mma int8 256 rows x 2 splits, 128 blocks, 1.0 waves", 24, 82400),
    },
    "H100": {
        "attn_q": ("wgmma bf16 192 by 128 rows x 3 splits, 132 blocks, 1.0 waves", 16, 169984),
        "attn_q of 1 row": ("wgmma bf16 192 by 64 rows x 3 splits, 66 blocks, 0.5 waves", 16, 120832),
        "attn_output of full layers": ("wgmma bf16 192 by 128 rows x 4 splits, 120 blocks, 0.9 waves", 32, 169984),
        "ffn_gate, ffn_up": ("wgmma bf16 192 by 128 rows x 3 splits, 132 blocks, 1.0 waves", 16, 169984),
        "ffn_down": ("wgmma bf16 192 by 128 rows x 4 splits, 120 blocks, 0.9 waves", 10, 134144),
        "ffn_down in NVFP4": ("wgmma bf16 192 by 128 rows x 3 splits, 90 blocks, 0.7 waves", 12, 166912),
        "ffn_down in IQ3_S": ("mma bf16 128 rows x 3 splits, 264 blocks, 2.0 waves", 12, 83968),
        "ffn_gate_inp": ("mma bf16 128 rows of 2 terms x 6 splits, 24 blocks, 0.2 waves", 24, 100352),
        "ffn_gate_up_exps": ("wgmma experts f16 24 rows x 1 split, 264 blocks, 1.0 waves", 44, 104820),
        "ffn_gate_up_exps of 8 canvases": ("wgmma experts f16 160 rows x 1 split, 132 blocks, 1.0 waves", 44, 207012),
        "output": ("wgmma bf16 192 by 128 rows x 3 splits, 132 blocks, 1.0 waves", 16, 191488),
    },
    "RTX 5090": {
        "attn_q": ("mma int8 256 rows x 2 splits, 128 blocks, 0.8 waves", 24, 90112),
        "attn_q of 1 row": ("mma int8 24 rows x 2 splits, 128 blocks, 0.4 waves", 24, 34432),
        "attn_output of full layers": ("mma int8 256 rows x 3 splits, 132 blocks, 0.8 waves", 44, 90112),
        "ffn_gate, ffn_up": ("mma int8 256 rows x 2 splits, 132 blocks, 0.8 waves", 24, 90112),
        "ffn_down": ("mma int8 256 rows x 3 splits, 132 blocks, 0.8 waves", 12, 94688),
        "ffn_down in NVFP4": ("mma fp4 128 rows of 2 terms x 3 splits, 264 blocks, 1.6 waves", 12, 61440),
        "ffn_down in IQ3_S": ("mma bf16 128 rows x 3 splits, 264 blocks, 1.6 waves", 12, 83968),
        "ffn_gate_inp": ("mma bf16 128 rows of 2 terms x 6 splits, 24 blocks, 0.1 waves", 24, 100352),
        "ffn_gate_up_exps": ("mma int8 24 rows x 1 split, 340 blocks, 1.0 waves", 44, 34964),
        "ffn_gate_up_exps of 8 canvases": ("mma int8 256 rows x 1 split, 170 blocks, 1.0 waves", 44, 90660),
        "output": ("mma int8 256 rows x 2 splits, 128 blocks, 0.8 waves", 24, 82400),
    },
    "GB10": {
        "attn_q": ("mma int8 256 rows x 3 splits, 192 blocks, 4.0 waves", 16, 90112),
        "attn_q of 1 row": ("mma int8 24 rows x 3 splits, 192 blocks, 2.0 waves", 16, 34432),
        "attn_output of full layers": ("mma int8 256 rows x 1 split, 44 blocks, 0.9 waves", 128, 90112),
        "ffn_gate, ffn_up": ("mma int8 256 rows x 2 splits, 132 blocks, 2.8 waves", 24, 90112),
        "ffn_down": ("mma int8 256 rows x 1 split, 44 blocks, 0.9 waves", 33, 94688),
        "ffn_down in NVFP4": ("mma fp4 128 rows of 2 terms x 1 split, 88 blocks, 1.8 waves", 33, 61440),
        "ffn_down in IQ3_S": ("mma bf16 128 rows x 1 split, 88 blocks, 1.8 waves", 33, 83968),
        "ffn_gate_inp": ("mma bf16 128 rows of 2 terms x 6 splits, 24 blocks, 0.5 waves", 24, 100352),
        "ffn_gate_up_exps": ("mma int8 24 rows x 1 split, 96 blocks, 1.0 waves", 44, 34964),
        "ffn_gate_up_exps of 8 canvases": ("mma int8 256 rows x 1 split, 48 blocks, 1.0 waves", 44, 90660),
        "output": ("mma int8 256 rows x 3 splits, 192 blocks, 4.0 waves", 16, 82400),
    },
}

# Head dim, heads, key-value heads, rows, sequences, and whether one copy serves for keys and values.
HEADS = {
    "sliding": (256, 16, 8, 256, 1),
    "full": (512, 16, 2, 256, 1, True),
    "sliding of 8 canvases": (256, 16, 8, 8 * 256, 8),
}

# The plan, bytes of shared memory of a block.
ATTENTION = {
    "A100": {
        "sliding": ("mma bf16 64 queries, keys by 32 in parts 2:1, 144 blocks, 1.3 waves", 83968),
        "full": ("mma bf16 64 queries, keys by 16 in parts 2:1, 132 blocks, 1.2 waves", 74752),
        "sliding of 8 canvases": ("mma bf16 64 queries, keys by 32 in parts 2:1, 1152 blocks, 10.7 waves", 83968),
    },
    "RTX 3090": {
        "sliding": ("mma bf16 64 queries, keys by 32 in parts 5:1, 144 blocks, 1.8 waves", 83968),
        "full": ("mma bf16 64 queries, keys by 16 in parts 5:1, 132 blocks, 1.6 waves", 74752),
        "sliding of 8 canvases": ("mma bf16 64 queries, keys by 32 in parts 5:1, 1152 blocks, 14.0 waves", 83968),
    },
    "RTX 4090": {
        "sliding": ("mma bf16 64 queries, keys by 32 in parts 1:1, 144 blocks, 1.1 waves", 83968),
        "full": ("mma bf16 64 queries, keys by 16 in parts 1:1, 132 blocks, 1.0 waves", 74752),
        "sliding of 8 canvases": ("mma bf16 64 queries, keys by 32 in parts 1:1, 1152 blocks, 9.0 waves", 83968),
    },
    "H100": {
        "sliding": ("wgmma bf16 128 queries, keys by 32 in 4 parts, 160 blocks, 1.2 waves", 148480),
        "full": ("wgmma bf16 64 queries, keys by 32 in 2 parts, 132 blocks, 1.0 waves", 197632),
        "sliding of 8 canvases": ("wgmma bf16 128 queries, keys by 32 in 4 parts, 1280 blocks, 9.7 waves", 148480),
    },
    "RTX 5090": {
        "sliding": ("mma bf16 64 queries, keys by 32 in parts 1:1, 144 blocks, 0.8 waves", 83968),
        "full": ("mma bf16 64 queries, keys by 16 in parts 1:1, 132 blocks, 0.8 waves", 74752),
        "sliding of 8 canvases": ("mma bf16 64 queries, keys by 32 in parts 1:1, 1152 blocks, 6.8 waves", 83968),
    },
    "GB10": {
        "sliding": ("mma bf16 64 queries, keys by 32 in parts 2:1, 144 blocks, 3.0 waves", 83968),
        "full": ("mma bf16 64 queries, keys by 16 in parts 2:1, 132 blocks, 2.8 waves", 74752),
        "sliding of 8 canvases": ("mma bf16 64 queries, keys by 32 in parts 2:1, 1152 blocks, 24.0 waves", 83968),
    },
}


def plan_product(card, name, **changes):
    dtype, num_outputs, num_columns, num_rows = WEIGHTS[name]
    arguments = {
        "activations": ROUNDING.get(card, "int8"),
        "num_rows": num_rows,
        "is_gated": "gate_up" in name or "ffn_up" in name,
        "num_experts": 128 if "exps" in name else 0,
    }
    return _ops.plan_gemm(CARDS[card], dtype, num_outputs, num_columns, **arguments | changes)


def table_of(tables, card):
    return tables[SAME_AS.get(card, card)]


@pytest.mark.parametrize("card", CARDS)
def test_products(card):
    plans = {name: plan_product(card, name) for name in WEIGHTS}
    found = {name: (plan["text"], plan["steps_per_split"], plan["shared_bytes"]) for name, plan in plans.items()}
    assert found == table_of(PRODUCTS, card)


@pytest.mark.parametrize("card", CARDS)
def test_attention(card):
    plans = {name: _ops.plan_attention(CARDS[card], *heads) for name, heads in HEADS.items()}
    assert {name: (plan["text"], plan["shared_bytes"]) for name, plan in plans.items()} == table_of(ATTENTION, card)


def soft_pieces(plan):
    """The pieces of the sums, by their numbers: the block, the tile and the steps of each."""
    pieces = {}
    for block, (first, end) in enumerate(pairwise(plan["first_steps"])):
        for step in range(first, end):
            tile = step // plan["num_steps"]
            pieces.setdefault(block + tile, []).append((block, tile, step))
            assert plan["block_of_step"][step] == block
    return pieces


@pytest.mark.parametrize("card", CARDS)
def test_soft_embedding(card):
    plan = _ops.plan_soft(CARDS[card], "Q6_K", 2816, 8192)
    shares = [end - first for first, end in pairwise(plan["first_steps"])]
    kernel = "wgmma" if plan["is_wgmma"] else "mma"
    found = (kernel, plan["step_tokens"], len(shares), max(shares), len(soft_pieces(plan)))
    assert found == table_of(SOFT_EMBEDDING, card)
    assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize("columns", [1, 128, 129, 2816, 5376])
@pytest.mark.parametrize("tokens", [1, 32, 65, 3001, 8192])
@pytest.mark.parametrize("card", ["GB10", "H100", "RTX 5090"])
def test_pieces_of_a_soft_embedding(card, tokens, columns):
    """Each step of each tile is in one piece. No two pieces have the same memory."""
    plan = _ops.plan_soft(CARDS[card], "Q8_0", columns, tokens)
    pieces = soft_pieces(plan)
    assert plan["num_tiles"] == -(-columns // 128) and plan["num_steps"] == -(-tokens // plan["step_tokens"])
    assert sorted(step for steps in pieces.values() for _, _, step in steps) == list(range(plan["first_steps"][-1]))
    assert plan["first_steps"][-1] == plan["num_tiles"] * plan["num_steps"]
    assert all(len({(block, tile) for block, tile, _ in steps}) == 1 for steps in pieces.values())
    assert max(pieces) < plan["num_pieces"]
    if plan["is_wgmma"]:  # both tiles of a pair of blocks have the same steps
        assert (len(plan["first_steps"]) - 1) % plan["num_tiles"] == 0


@pytest.mark.parametrize("activations", ["bf16", "int8"])
@pytest.mark.parametrize("card", OTHERS)
def test_cards_without_kernels_of_their_own(card, activations):
    """They have no instructions of sm_90a or sm_120a, which would be refused there."""
    for dtype in (*FLOATS, *BLOCKS):
        for rows in (1, 256, 100_000):
            for experts in (0, 128):
                plan = _ops.plan_gemm(OTHERS[card], dtype, 704, 2816, activations, rows, num_experts=experts)
                assert plan["text"].startswith(("mma bf16 ", f"mma {activations} "))
                assert plan["shared_bytes"] <= OTHERS[card][2]
        assert not _ops.plan_soft(OTHERS[card], dtype, 2816, 8192)["is_wgmma"]


# The steps of 64 columns of a span, which the kernel of 9.0 copies and decodes as a whole.
SPAN_STEPS = {"BF16": 1, "Q5_0": 2, "Q8_0": 2, "Q4_0": 4, "MXFP4": 4, "NVFP4": 4, "Q4_K": 4, "Q5_K": 4, "Q6_K": 4}


@pytest.mark.parametrize("name", SPAN_STEPS)
def test_parts_begin_with_a_span(name):
    """And they hold no more spans than the longest of them needs."""
    steps = {}
    for outputs in (64, 704, 2048, 2816, 8192):
        for columns in (704, 2112, 2816, 4096, 8192):
            plan = _ops.plan_gemm(CARDS["H100"], name, outputs, columns, "bf16", 256)
            _, _, _, num_steps, splits, of_split = plan["sums"]
            assert plan["text"].startswith("wgmma bf16 ")
            assert (splits - 1) * of_split < num_steps <= splits * of_split
            if splits > 1:
                steps[outputs, columns] = of_split
    assert len(steps) > 10
    assert all(of_split % SPAN_STEPS[name] == 0 for of_split in steps.values())
    assert any(of_split % (2 * SPAN_STEPS[name]) for of_split in steps.values())  # so no larger part is asked for


@pytest.mark.parametrize(
    ("outputs", "rows", "weight_rows"),
    [
        (8192, 256, 256),  # 2 splits of 64 tiles, so that 128 of 132 multiprocessors have one. With 192: 172
        (6144, 256, 192),  # 2 splits of 64 tiles, too. With 256: 96
        (6144, 2048, 256),  # 768 tiles are 5.8 rounds of four warpgroups. With 192: 1024, which are 7.8 of three
        (64, 256, 192),
    ],
)
def test_blocks_of_three_warpgroups(outputs, rows, weight_rows):
    """A block has three where that takes less time: rounds of blocks, times the warpgroups of each."""
    plan = _ops.plan_gemm(CARDS["H100"], "Q4_K", outputs, 2816, "bf16", rows)
    assert plan["text"].startswith(f"wgmma bf16 {weight_rows} by 128 rows ")
    assert plan["resident_threads"] == weight_rows * 2


@pytest.mark.parametrize("activations", ["bf16", "int8"])
@pytest.mark.parametrize("card", CARDS)
def test_the_number_of_rows_changes_no_sum(card, activations):
    """A row's result is the same alone and among others: what orders or rounds a sum may not look at their number."""
    for name in WEIGHTS:
        plans = [plan_product(card, name, activations=activations, num_rows=rows) for rows in (1, 24, 25, 256, 100_000)]
        assert len({plan["sums"] for plan in plans}) == 1
        assert len({plan["grid"] for plan in plans}) > 1
    for heads in HEADS.values():
        kind = {"has_one_copy": heads[5:] == (True,)}
        plans = [_ops.plan_attention(CARDS[card], *heads[:3], rows, **kind) for rows in (1, 24, 25, 256, 100_000)]
        assert len({plan["sums"] for plan in plans}) == 1
        assert len({plan["grid"] for plan in plans}) > 1


@pytest.mark.parametrize("card", CARDS)
def test_every_block_fits(card):
    """Blocks of all formats, narrow and wide, have the shared memory that the card gives a block."""
    for dtype in (*FLOATS, *BLOCKS):
        for rows in (1, 256, 100_000):
            for experts in (0, 128):
                plan = _ops.plan_gemm(CARDS[card], dtype, 704, 2816, "int8", rows, num_experts=experts)
                assert plan["shared_bytes"] <= CARDS[card][2]


@pytest.mark.parametrize("card", [card for card, (_, _, shared) in CARDS.items() if shared == 99 * 1024])
def test_wide_tiles_leave_no_scheduler_with_one_warp(card):
    """A multiprocessor has four schedulers. With two warps each, one can multiply while the other waits."""
    for dtype in (*FLOATS, *BLOCKS):
        for activations in ("bf16", "int8"):
            for experts in (0, 128):
                plan = _ops.plan_gemm(CARDS[card], dtype, 704, 2816, activations, 100_000, num_experts=experts)
                assert plan["resident_threads"] >= 8 * 32


@pytest.mark.parametrize(("multiprocessors", "period"), [(48, 3), (64, 0), (82, 6), (108, 3), (128, 2), (170, 2)])
def test_parts_of_attention_by_waves(multiprocessors, period):
    """One canvas has 64 tiles of queries. Where these leave multiprocessors without work, the keys have a second part.
    Its share is what the others can do in the time of the first one."""
    plan = _ops.plan_attention((89, multiprocessors, 99 * 1024), *HEADS["sliding"])
    assert plan["sums"][-1] == period


@pytest.mark.parametrize(
    ("multiprocessors", "parts"), [(31, 0), (63, 0), (64, 2), (114, 2), (127, 2), (128, 4), (132, 4)]
)
def test_parts_of_attention_by_warpgroups(multiprocessors, parts):
    """One canvas has 32 tiles of queries. There are as many parts as leave each block a multiprocessor of its own."""
    plan = _ops.plan_attention((90, multiprocessors, 227 * 1024), *HEADS["sliding"])
    assert plan["sums"] == (True, 256, 1, 32, parts)
    assert plan["grid"][2] == max(1, parts)


def test_attention_by_warpgroups_is_for_heads_of_the_model():
    """On 9.0 other heads have the kernel of all GPUs. So have all heads on other GPUs, and with less shared memory."""

    def is_wgmma(*heads, card=CARDS["H100"], **kind):
        return _ops.plan_attention(card, *heads, 256, **kind)["sums"][0]

    assert is_wgmma(256, 16, 8) and is_wgmma(129, 3, 1) and is_wgmma(512, 16, 2, has_one_copy=True)
    assert not is_wgmma(128, 16, 8) and not is_wgmma(512, 16, 2) and not is_wgmma(256, 16, 8, has_one_copy=True)
    assert not is_wgmma(480, 16, 2, has_one_copy=True)
    assert not is_wgmma(512, 16, 2, has_one_copy=True, num_rotated=128)
    assert not is_wgmma(256, 16, 8, card=(90, 132, 99 * 1024))
    assert not any(is_wgmma(256, 16, 8, card=CARDS[name]) for name in CARDS if name not in ("H100", "H200"))
    assert not any(is_wgmma(256, 16, 8, card=OTHERS[name]) for name in OTHERS)


def test_formats_without_a_product():
    with pytest.raises(ValueError, match="a GPU has no product for weights of I32"):
        _ops.plan_gemm(CARDS["A100"], "I32", 64, 64, "bf16", 1)
    with pytest.raises(ValueError, match="attention: on a GPU head_dim is at most 512, got 513"):
        _ops.plan_attention(CARDS["A100"], 513, 1, 1, 1)
