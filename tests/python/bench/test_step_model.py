"""bench/gpu/step_model: what it reads from a listing, and its arithmetic.

tests/cuda/test_full_size.py compares its list of launches with those that the library makes, and
tests/device_code/test_main_loops.py reads the kernels.
"""

import os
from dataclasses import replace

import pytest

from gpu.step_model.assumptions import CARDS, COMMON, LEVELS, MIDDLE, OPTIMISTIC, RESCALES
from gpu.step_model.attention import Attention
from gpu.step_model.bounds import Grid, Time, kernel_time, norm, resident_blocks, sm_cycles
from gpu.step_model.head import SoftEmbedding, Statistics
from gpu.step_model.kernels import KERNELS, check_complete, kernel_of
from gpu.step_model.launch import RowKernel
from gpu.step_model.loops import (
    Case,
    Work,
    attention,
    count,
    soft_embedding_of_pairs,
    warp_product,
    warpgroup_product,
    warpgroup_spans,
)
from gpu.step_model.machine import machine
from gpu.step_model.machine_code import Block, Instruction, loop_blocks, main_loop, read
from gpu.step_model.plans import AttentionPlan, ProductPlan, SoftPlan
from gpu.step_model.products import ExpertProduct, pack
from gpu.step_model.shape import Matrix, Routing, routing, shape
from gpu.step_model.step import Step

# As cuobjdump shows a kernel: a loop without products, and one of five blocks with two products. The first block copies
# rows of x, the second is a short branch, the third copies raw weights, the fourth multiplies.
LISTING = """
		Function : _Z6kernelv
	.headerflags	@"EF_CUDA_SM90"
        /*0000*/                   LDC R1, c[0x0][0x28] ;                         /* 0x00000a00ff017b82 */
                                                                                  /* 0x000ff00000000800 */
        /*0010*/                   IADD3 R3, R3, 0x1, RZ ;                        /* 0x0000a000ff067b82 */
        /*0020*/              @!P0 BRA 0x10 ;                                     /* 0xfffffffc00a40947 */
        /*0030*/                   LDS RZ, [RZ] ;                                 /* 0x0000000000047919 */
        /*0040*/              @!P2 LDGSTS.E.BYPASS.128 [R9], desc[UR12][R12.64] ; /* 0x000000000c09afae */
        /*0050*/               @P1 BRA 0x80 ;                                     /* 0x0000000400e81947 */
        /*0060*/                   LDGSTS.E.BYPASS.128 [R11], desc[UR12][R4.64] ; /* 0x000000000e0b9fae */
        /*0070*/                   BSSY B0, 0x80 ;                                /* 0x0000000000047919 */
        /*0080*/                   LDS R4, [R5+0x10] ;                            /* 0x0000000000047919 */
        /*0090*/                   LDS.128 R8, [R5] ;                             /* 0x0000000000047919 */
        /*00a0*/                   LOP3.LUT R4, R4, 0xf0f, RZ, 0xc0, !PT ;        /* 0x0000000000047919 */
        /*00b0*/                   STS.64 [R6], R8 ;                              /* 0x0000000000047919 */
        /*00c0*/              @!P3 BRA 0x100 ;                                    /* 0x0000000000047919 */
        /*00d0*/                   LDSM.16.M88.4 R20, [R7] ;                      /* 0x0000000000047919 */
        /*00e0*/                   HMMA.16816.F32.BF16 R12, R20, R24, R12 ;       /* 0x0000000000047919 */
        /*00f0*/                   HMMA.16816.F32.BF16 R16, R20, R26, R16 ;       /* 0x0000000000047919 */
        /*0100*/                   IMAD R30, R30, R31, R32 ;                      /* 0x0000000000047919 */
        /*0110*/                   MUFU.EX2 R33, R33 ;                            /* 0x0000000000047919 */
        /*0120*/               @P0 BRA 0x30 ;                                     /* 0x0000000000047919 */
        /*0130*/                   EXIT ;                                         /* 0x0000000000047919 */
"""


def ins(opcode, arguments="", address=0):
    return Instruction(address, "", opcode, arguments)


def test_a_listing():
    code = read(LISTING)
    assert len(code) == 20
    assert code[4] == (0x40, "!P2", "LDGSTS.E.BYPASS.128", "[R9], desc[UR12][R12.64]")
    assert (code[4].name, code[4].pipe, code[2].target) == ("LDGSTS", "memory", 0x10)


def test_the_main_loop_holds_the_products():
    code = read(LISTING)
    assert main_loop(code) == (0x30, 0x120)
    blocks = loop_blocks(code)
    assert [[f"{i.address:x}" for i in block][:: len(block) - 1 or 1] for block in blocks] == [
        ["30", "50"],
        ["60", "70"],
        ["80", "c0"],
        ["d0", "f0"],
        ["100", "120"],
    ]
    assert [block.multiplies for block in blocks] == [False, False, False, True, False]
    assert not any(block.is_loop for block in blocks)
    with pytest.raises(ValueError, match="none of 1 loops holds one of the 0 products"):
        main_loop(code[:3])


@pytest.mark.parametrize(
    ("opcode", "pipe"),
    [
        ("FFMA", "fp32"),
        ("IMAD.WIDE", "imad"),
        ("MUFU.RCP", "xu"),
        ("LDSM.16.M88.4", "memory"),
        ("BAR.SYNC", "sync"),
        ("UIADD3", "uniform"),
        ("HGMMA.64x256x16.F32.BF16", "matrix"),
        ("F2FP.BF16.F32.PACK_AB", "alu"),
        ("LOP3.LUT", "alu"),
    ],
)
def test_pipes(opcode, pipe):
    assert ins(opcode).pipe == pipe


def test_what_a_warp_issues():
    """The second copy is of raw weights, which a span of four steps shares."""
    case = Case(span_steps=4, other_share=0.5)
    assert warp_product(loop_blocks(read(LISTING)), case) == [1, 0.25, 1, 0.5, 1]
    work = count(loop_blocks(read(LISTING)), warp_product, case)
    assert work.issue == 3 + 0.25 * 2 + 5 + 0.5 * 3 + 3
    assert (work.alu, work.fma, work.xu) == (1, 1.5, 8)
    assert work.smem == pytest.approx((1 + 3.2) + 0.25 * 3.2 + (1 + 4 + 2) + 0.5 * 4)
    assert (work.hmma, work.products, work.groups, work.stores) == (1, 1, 0.5, 1)


@pytest.mark.parametrize(
    ("line", "passes"),
    [("@!PT LDS RZ, [RZ]", 0), ("@!P0 LDS.U16 R16, [R38]", 1), ("@P6 LDS.128 R16, [R38]", 4), ("LDS RZ, [RZ]", 1)],
)
def test_a_load_that_never_runs_is_issued_alone(line, passes):
    """A predicate that is constantly false leaves an issue slot. One that may be true counts as true."""
    (instruction,) = read(f"        /*0030*/  {line} ;  /* 0x0000000000047919 */")
    work = Work()
    work.add(instruction, 2)
    assert (work.issue, work.smem, instruction.never_runs) == (2, 2 * passes, passes == 0)


def test_groups_of_warps_decode_in_turn():
    blocks = loop_blocks(read(LISTING))
    assert warp_product(blocks, Case(span_steps=4, decodes=0.5)) == [1, 0.25, 0.5, 1, 1]
    assert {kernel.groups_of(24) for kernel in KERNELS.values()} == {1}


def test_a_product_of_half_the_depth_takes_half_the_cycles():
    on = machine("RTX 4090", OPTIMISTIC)
    for opcode, cycles in (("IMMA.16832.S8.S8", on.imma), ("IMMA.16816.S8.S8", on.imma / 2)):
        work = Work()
        work.add(ins(opcode), 1)
        assert (work.cycles(on, 4)["tensor"], work.products) == (cycles, 1)


@pytest.mark.parametrize(
    ("arguments", "passes"),
    [("R24, gdesc[UR4], R24, !UPT", 24 / 4 + 16), ("R24, R36, gdesc[UR8], R24, gsb0", 24 / 4)],
    ids=["shared", "registers"],
)
def test_warpgroup_products(arguments, passes):
    """64 x 24 x 16 products take 12 cycles of the tensor cores. B is in shared memory, A there or in registers."""
    work = Work()
    work.add(ins("HGMMA.64x24x16.F32.BF16", arguments), 1)
    on = machine("H100", OPTIMISTIC)
    assert work.cycles(on, 4)["tensor"] == 12 * on.wgmma
    assert work.cycles(on, 4)["smem"] == passes
    assert work.products == 0


def test_loops_that_copy():
    loop = Block([ins("LDGSTS", "[R1], [R2]", 0x10), ins("BRA", "0x10", 0x20)])
    copy = Block([ins("LDGSTS", "[R1], [R2]", 0x30)])
    masks = Block([ins("FSEL")] * 7)
    stores = Block([ins("STS")])
    two_steps = Block([ins("HGMMA.64x128x16.F32.BF16")] * 8)
    assert warpgroup_product([copy, copy, stores, two_steps], Case(span_steps=4)) == [0.5, 0.25, 0.25, 0.5]
    for num_products, times in (
        (4, [1, 0.25, 1]),
        (16, [0.25, 0.25, 0.25]),
    ):  # a loop over steps, or over spans of four
        products = Block([ins("HGMMA.64x24x16.F32.BF16")] * num_products)
        assert warpgroup_spans([copy, copy, products], Case(span_steps=4)) == times
    addresses, products = Block([ins("LDG")]), Block([ins("HMMA")])
    assert attention([copy, addresses, loop, masks, products], Case(row_copies=4)) == [1, 0.1, 0.4, 0.06, 1]


def test_rows_that_are_kept():
    """A branch goes around the copies of rows, which run for one tile of five. Where rows and weights are copied by one
    block, all tiles copy both."""
    copy, products = Block([ins("LDGSTS", "[R1], [R2]")]), Block([ins("HGMMA.64x24x16.F32.BF16")] * 16)
    case = Case(span_steps=4, row_copies=0.2)
    assert warpgroup_spans([copy, copy, products], case) == pytest.approx([0.05, 0.25, 0.25])
    assert warpgroup_spans([copy, products], case) == [0.25, 0.25]


def test_products_as_wide_as_a_tile():
    """Of tiles with up to 16 rows, a quarter has more than 8."""
    wide, narrow = (Block([ins(f"HGMMA.64x{width}x16.F32.BF16")] * 4) for width in (16, 8))
    shared = Block([ins("IADD3")])
    assert warpgroup_spans([shared, wide, narrow, shared], Case(groups=(1.0, 0.25))) == [1, 0.25, 0.75, 1]
    assert warpgroup_spans([shared, wide, narrow, shared], Case(groups=(1.0,))) == [1, 0, 1, 1]


def test_one_warp_starts_the_copies_of_a_pair():
    """Of a loop over two steps each block runs half a time. What a branch leaves out in seven of eight warps runs an
    eighth of that."""
    products = Block([ins("HGMMA.64x256x16.F32.BF16")] * 4 + [ins("BRA", "0x50")])
    wait, copy, decode = (
        Block([ins(name, address=i)]) for i, name in ((0x30, "SYNCS"), (0x40, "UBLKCP"), (0x50, "LDS"))
    )
    blocks = [products, wait, copy, decode, products, wait, copy, decode]
    assert soft_embedding_of_pairs(blocks, Case()) == [1 / 2, 1 / 16, 1 / 16, 1 / 2] * 2


def test_a_pair_gets_its_weights_by_one_copy():
    """A tile's step: 256 rows of 64 weights, in 2 bytes each; of 64 tokens 9.5 pieces of 16 bytes in Q6_K."""
    soft = SoftEmbedding("", "", Matrix("Q6_K", 8192, 2816), 256, SoftPlan("wgmma soft embedding", 64, 132, 22, 1, 132))
    assert soft.weight_bytes == 256 * 64 * 2 and soft.table_bytes == 64 * 9.5 * 16
    assert replace(soft, table=Matrix("Q8_0", 8192, 2816)).table_bytes == 64 * 128 / 32 * 34
    on_others = replace(soft, plan=SoftPlan("soft embedding", 32, 132, 43, 1, 132))
    assert on_others.table_bytes == 32 * 210  # both halves of each block


def test_powers_of_two_seldom_change():
    """A warp votes whether its weights need other powers. What follows is rare, up to the words that are rounded."""
    vote, words = Block([ins("VOTE"), ins("BRA")]), Block([ins("F2FP"), ins("STS")])
    change, products = Block([ins("FMUL")]), Block([ins("HGMMA.64x24x16.F32")] * 4)
    times = warpgroup_spans([vote, change, change, words, products, change], Case())
    assert times == [1, RESCALES, RESCALES, 1, 1, 1]


def test_runs_of_tiles(monkeypatch):
    """The 11 tiles of an expert follow one another, unless a block ends between them. 264 blocks have 1408 tiles of 128
    experts."""
    matrix = Matrix("Q4_K", 704, 2816, 128, is_gated=True)
    plan = ProductPlan("wgmma experts", 0, 24, 44, 1, 264, 8, 2, 100_000)
    few = ExpertProduct("", "", matrix, plan, 2048, routing=Routing(1.0, (1.0, 1.0)))
    assert few.tiles == 1408
    assert few.first_of_run() == pytest.approx((264 + 128) / 1408)
    many = replace(few, plan=replace(plan, tile_rows=160), matrix=Matrix("Q8_0", 2816, 704, 128))
    assert many.first_of_run() == pytest.approx((264 + 128) / 2816)
    of_warps = replace(few, plan=replace(plan, kernel="mma bf16"))
    assert of_warps.first_of_run() == 1  # its blocks end one tile before they begin the next

    # Short rows are copied once for a run, if the loop has a branch around their copies, and if the tile is narrow.
    down = replace(few, plan=replace(plan, steps=11), matrix=Matrix("Q5_0", 2816, 704, 128))
    on = machine("H200", MIDDLE)
    for is_left_out in (False, True):
        monkeypatch.setattr("gpu.step_model.kernels.may_leave_out_rows", lambda *_, _is=is_left_out, **names: _is)
        assert down.row_copies(on) == (down.first_of_run() if is_left_out else 1)
        for change in ({"steps": 13}, {"tile_rows": 160}, {"kernel": "mma bf16"}):
            assert replace(down, plan=replace(down.plan, **change)).row_copies(on) == 1


def test_every_level_has_its_numbers():
    for card in CARDS:
        low, middle, high = (machine(card, level) for level in range(len(LEVELS)))
        for better, worse in ((low, middle), (middle, high)):
            assert better.hz >= worse.hz and better.memory_rate >= worse.memory_rate and better.l2 >= worse.l2
            assert better.hmma <= worse.hmma and better.alu == worse.alu
            assert better.gap_us < worse.gap_us and better.p_norm > worse.p_norm and better.fill < worse.fill
    assert machine("H200", MIDDLE).memory_rate == pytest.approx(4.8e12 * 0.88)
    assert machine("RTX 4090", MIDDLE).gap_us == COMMON["gap_us"][MIDDLE]


def test_rates_of_data_sheets():
    """H100: 990 TFLOP/s at 1.83 GHz. RTX 3090: 142 TFLOP/s with f16 sums at 1.7 GHz, half of it with f32 sums."""
    assert machine("H100", MIDDLE).bf16_rate == pytest.approx(990e12 * 1.75 / 1.83, rel=0.01)
    assert machine("RTX 3090", MIDDLE).bf16_rate == pytest.approx(71e12 * 1.75 / 1.7, rel=0.04)
    assert machine("RTX 3090", MIDDLE).int8_rate == pytest.approx(4 * 71e12 * 1.75 / 1.7, rel=0.04)


def test_a_norm_is_between_the_largest_and_the_sum():
    assert norm([3, 4], 2) == 5
    assert norm([3, 4], 1) == 7
    assert norm([3, 4], 100) == pytest.approx(4)
    assert norm([0, 0], 3) == 0


@pytest.mark.parametrize(
    ("shared_bytes", "registers", "threads", "blocks"),
    [
        (59392, 230, 128, 1),  # 100 KB / 59 KB
        (34964, 128, 128, 2),  # 100 KB / 35.1 KB
        (1024, 128, 128, 4),  # 65536 / (128 x 128)
        (1024, 121, 128, 4),  # registers are given out by 8
        (98 * 1024, 255, 256, 1),
        (120 * 1024, 32, 32, 1),  # it cannot be launched, but counts as one
    ],
)
def test_resident_blocks(shared_bytes, registers, threads, blocks):
    assert resident_blocks(machine("RTX 3090", MIDDLE), shared_bytes, registers, threads) == blocks


def test_a_block_alone_waits_and_many_overlap():
    on = machine("H100", MIDDLE)
    work = Work(issue=100, alu=20, hmma=10, products=10)
    cycles = work.cycles(on, 4)
    assert (cycles["issue"], cycles["alu"], cycles["tensor"]) == (100, 40, 64)
    alone = sm_cycles(on, work, 4, Grid(blocks=1, resident=1, steps=10, fill=1000, latency=50))
    assert alone == Time(10 * (90 + 64 + 50) + 1000, "latency")
    shared = sm_cycles(on, Work(smem=50, hmma=20), 4, Grid(1, 1, 10, 0, 0))
    assert shared == Time(10 * (0.75 * 200 + 128), "latency")
    many = sm_cycles(on, work, 4, Grid(blocks=40, resident=8, steps=1000, fill=0, latency=0, prologue=7))
    assert many.bound == "issue"
    assert many.seconds == pytest.approx(40 * (1000 * norm(cycles.values(), on.p_norm) + 7))
    asynchronous = sm_cycles(on, work, 8, Grid(1, 1, 10, 1000, 50), is_asynchronous=True)
    both = norm(work.cycles(on, 8).values(), on.p_norm)
    assert asynchronous == Time(pytest.approx(10 * (both + 50) + 1000), "issue")


def test_memory_may_bound_a_kernel():
    on = machine("H100", OPTIMISTIC)
    time = kernel_time(on, Time(1.9e3, "issue"), dram_bytes=3.35e9 * 0.93, l2_bytes=0)
    assert time.bound == "dram"
    assert 1e-3 <= time.seconds < 1.001e-3


def test_row_kernels_and_gaps():
    on = machine("H200", MIDDLE)
    assert RowKernel("norms", "rms_norm", 1000).time(on) == Time(pytest.approx(2.3e-6), "latency")
    assert RowKernel("norms", "rms_norm", int(5.5e9)).time(on).seconds == pytest.approx(1e-3)
    assert RowKernel("norms", "rms_norm").gap(on) == pytest.approx(1e-6)
    assert RowKernel("norms", "rms_norm", starts_early=True).gap(on) == pytest.approx(0.45e-6)
    assert Statistics("head statistics", "head_stats", 256).time(on).bound == "issue"


@pytest.mark.parametrize(
    ("card", "kernel", "num_terms", "row_bytes"),
    [
        ("H200", "wgmma bf16", 0, 2816 * 2),
        ("RTX 4090", "mma int8", 0, 2816 // 64 * 80),
        ("RTX 5090", "mma fp4", 2, 2816 * 4),  # a launch of its own packs them
    ],
)
def test_bytes_of_row_kernels(monkeypatch, card, kernel, num_terms, row_bytes):
    """A norm writes the rows as their product reads them, and every multiprocessor reads the norm's weights. Of what
    qk_norm_rope writes, keys and values are bf16."""
    plan = ProductPlan(kernel, num_terms, 128, 44, 1, 64, 8, 1, 100_000)
    monkeypatch.setattr("gpu.step_model.step.product_plan", lambda *arguments, **named: plan)
    monkeypatch.setattr("gpu.step_model.step.attention_plan", lambda *arguments: None)
    step = Step(card, "Q4_K_M", canvases=1, cached=1024)
    packed = KERNELS[kernel].step_row_bytes * 2816 // 64
    assert pack("linear", 256, 2816, kernel).num_bytes == 256 * (2816 * 4 + packed)
    step.add_norm(step.shape.matrix("blk.0.attn_q"))
    assert step.launches[0].num_bytes == 256 * (2816 * 4 + row_bytes) + CARDS[card]["sms"] * 2816 * 4
    for layer, heads, stored in ((0, 16 + 8 + 8, 8 * 2 * 256 * 2), (5, (16 + 2) * 2, 2 * (128 + 512) * 2)):
        step.launches.clear()
        step.add_attention(layer)
        (turned,) = [launch for launch in step.launches if launch.group == "qk_norm_rope"]
        queries = 16 * 256 * (1 if layer == 0 else 2)
        assert turned.num_bytes == 256 * ((heads * 256 + queries) * 4 + stored)


def test_the_steps_of_attention():
    """Steps begin at multiples of their keys. Cached tokens of a window begin anywhere."""
    sliding, full = shape("Q4_K_M").heads(0), shape("Q4_K_M").heads(5)
    assert (sliding.dim, sliding.num_key_value_heads, sliding.read_bytes, sliding.window) == (256, 8, 1024, 1024)
    assert (full.dim, full.num_key_value_heads, full.own_key_bytes, full.read_bytes) == (512, 2, 256, 1280)
    sums = {"is_wgmma": False, "dim": 256, "slices": 2, "keys": 32, "period": 0}
    plan = AttentionPlan(**sums, queries=64, tiles=64, shared_bytes=83968)

    def attention_of(heads, cached):
        return Attention("attention", "attention", heads, plan, 1, 256, cached)

    assert [attention_of(sliding, cached).keys for cached in (0, 1024, 4096)] == [256, 1279, 1279]
    assert attention_of(full, 4096).keys == 4352
    assert [attention_of(full, cached).steps for cached in (1024, 1025)] == [40, 42]
    assert attention_of(sliding, 1024).steps == 41
    assert attention_of(sliding, 1024).blocks == [41] * 64 and attention_of(sliding, 1024).partial_bytes == 0
    plan = replace(plan, period=5)
    assert attention_of(full, 1024).blocks == [32] * 64 + [8] * 64
    assert attention_of(full, 1024).partial_bytes == 2 * 4 * 64 * 64 * 256
    plan = replace(plan, is_wgmma=True, period=4, queries=128, tiles=32, slices=1)
    assert attention_of(full, 1024).blocks == [10] * 128 and attention_of(full, 1024).warps == 8
    assert attention_of(full, 1024).partial_bytes == 3 * 2 * 4 * 32 * 128 * 256


@pytest.mark.parametrize("rows", [256, 2048])
def test_rows_spread_over_experts(rows):
    mean = rows * 8 / 128
    for tile_rows in (24, 128):
        spread = routing(rows, 128, 8, tile_rows)
        assert max(1, mean / tile_rows) * 0.98 <= spread.tiles <= mean / tile_rows + 1
        assert list(spread.groups) == sorted(spread.groups, reverse=True)
        assert spread.groups[0] == pytest.approx(1)
        assert 8 * sum(spread.groups) * spread.tiles >= mean


def test_the_types_of_a_preset():
    q4 = shape("Q4_K_M")
    gate_up, down = q4.matrix("blk.0.ffn_gate_up_exps"), q4.matrix("blk.5.ffn_down_exps")
    assert (gate_up.dtype, gate_up.outputs, gate_up.columns, gate_up.num_experts, gate_up.is_gated) == (
        *("Q4_K", 704, 2816, 128),
        True,
    )
    assert gate_up.num_bytes == 128 * 2 * 704 * 2816 * 144 // 256
    assert (down.dtype, down.outputs, down.columns, down.is_gated) == ("Q8_0", 2816, 704, False)
    assert q4.matrix("blk.0.ffn_gate", True).num_bytes == 2 * 2112 * 2816 * 144 // 256
    assert shape("NVFP4").matrix("blk.0.ffn_down").dtype == "NVFP4"
    assert (q4.has("blk.0.attn_v"), q4.has("blk.5.attn_v")) == (True, False)


def test_a_plan_without_a_kernel():
    assert kernel_of("mma int8 24 rows x 1 split, 164 blocks, 1.0 waves") == "mma int8"
    assert {kernel_of(f"{name} 24 rows") for name in KERNELS} == set(KERNELS)
    with pytest.raises(LookupError, match="no entry of KERNELS is for the plan 'mma int4 24 rows'"):
        kernel_of("mma int4 24 rows")


def test_a_build_that_has_not_ended(tmp_path):
    """The objects of one build and the plans of another would give predictions that look right."""
    modules, objects = tmp_path / "site/gesso", tmp_path / "csrc/cuda"
    modules.mkdir(parents=True)
    (objects / "gemm").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"_ops\*.so: there is none; `make cuda` makes it"):
        check_complete(objects, modules)
    linked, compiled = modules / "_ops.cpython-312.so", objects / "gemm/gemm_plan.cpp.o"
    for second, path in enumerate((compiled, linked), start=1):
        path.write_bytes(b"")
        os.utime(path, (second, second))
    check_complete(objects, modules)
    os.utime(compiled, (3, 3))
    with pytest.raises(ValueError, match=r"gemm_plan.cpp.o is newer than .*: the build has not ended; run `make cuda`"):
        check_complete(objects, modules)
