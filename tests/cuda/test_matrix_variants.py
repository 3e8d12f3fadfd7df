"""Products on GPUs that have further matrix instructions: sm_90 those of warpgroups, sm_120 and sm_121 those on 4-bit
floats, GeForce wide tiles of int8. The other tests of products run on one architecture."""

import numpy as np
import pytest

from gesso import _ops
from reference.expert_linear import expert_linear
from reference.gelu_mul import gelu_mul
from reference.linear import linear, magnitude
from reference.stored import SIZES, random_weight, values_of, vector
from reference.tolerance import assert_rows_independent, assert_same_bits, assert_within_rule

WGMMA = ["BF16", "Q4_0", "Q5_0", "Q8_0", "MXFP4", "NVFP4", "Q4_K", "Q5_K", "Q6_K"]
EXPERTS = ["Q5_0", "Q8_0", "NVFP4", "Q4_K", "Q6_K"]  # those that warpgroups multiply from registers
FP4 = ["NVFP4", "MXFP4"]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def uneven(*shape):
    """Rows that resemble activations: some columns are much larger than others."""
    return draw(*shape) * np.exp(draw(shape[-1], seed=1))


def stored(name, *shape, seed=9):
    return random_weight(np.random.default_rng(seed), name, shape)


def check_linear(name, rows, outputs, columns, scale=None):
    x, weight = draw(rows, columns), stored(name, outputs, columns)
    got = _ops.linear(x, weight, None if scale is None else vector(scale))
    arguments = (x, values_of(weight)) + (() if scale is None else (scale,))
    assert_within_rule(got, linear, *arguments, magnitude=magnitude(*arguments), product_with=name)


def gated_linear(x, gate, up):
    return gelu_mul(x @ gate.T, x @ up.T)


def check_gated(name, rows, outputs, columns):
    x, gate, up = draw(rows, columns), stored(name, outputs, columns), stored(name, outputs, columns, seed=8)
    assert_within_rule(
        _ops.gated_linear(x, gate, up), gated_linear, x, values_of(gate), values_of(up), product_with=name
    )


def plan_of(name, rows, outputs, columns, multiprocessors, is_gated=False):
    """The warpgroups of a block, and the splits."""
    card = (90, multiprocessors, 227 * 1024)
    plan = _ops.plan_gemm(card, name, outputs, columns, "bf16", rows, is_gated=is_gated)
    assert plan["text"].startswith("wgmma bf16 ")
    return plan["resident_threads"] // 128, plan["sums"][4]


# Sizes around tiles of 3 x 64 and 4 x 64 outputs by 64 and 128 rows, with steps of 64 columns. On one multiprocessor a
# block has as many warpgroups as leave fewer of them without outputs.
SHAPES = {
    3: [(1, 1), (63, 64), (64, 65), (65, 127), (129, 129), (127, 260)],
    4: [(1, 193), (64, 256), (65, 420), (129, 230)],
}


@pytest.mark.parametrize("groups", SHAPES)
@pytest.mark.parametrize("name", WGMMA)
def test_linear_by_warpgroups(on, name, groups):
    on(90, multiprocessors=1)
    for (rows, outputs), blocks in zip(SHAPES[groups], (1, 2, 3, 1, 2, 1), strict=False):
        columns = blocks * (40 if name == "BF16" else SIZES[name][0])
        assert plan_of(name, rows, outputs, columns, 1) == (groups, 1)
        check_linear(name, rows, outputs, columns)


@pytest.mark.parametrize(("groups", "outputs"), [(3, (33, 161)), (4, (97, 193))])
@pytest.mark.parametrize("name", WGMMA)
def test_gated_linear_by_warpgroups(on, name, groups, outputs):
    on(90, multiprocessors=1)
    for rows, n, columns in [(70, outputs[0], 256), (5, outputs[1], 512)]:
        assert plan_of(name, rows, n, columns, 1, is_gated=True) == (groups, 1)
        check_gated(name, rows, n, columns)


# The multiprocessors, rows and outputs with which a sum of 2816 columns has so many warpgroups and parts.
PARTS = {(3, 4): (16, 20, 200), (4, 2): (4, 140, 250)}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("plan", PARTS)
def test_sizes_of_the_model_by_warpgroups(on, plan, seed):
    """Long sums that are cut into parts, in several orders of the threads."""
    multiprocessors, rows, outputs = PARTS[plan]
    on(90, seed=seed, multiprocessors=multiprocessors)
    assert plan_of("Q4_K", rows, outputs, 2816, multiprocessors) == plan
    check_linear("Q4_K", rows, outputs, 2816, scale=np.float32(0.37))


@pytest.mark.parametrize("name", ["BF16", "Q5_0", "Q8_0", "NVFP4"])
def test_parts_of_whole_spans_by_warpgroups(on, name):
    """33 steps of 64 columns. Parts have 5 steps of BF16, 6 of Q5_0 and Q8_0, and 8 of NVFP4, and the last part has
    fewer."""
    on(90)
    plan = _ops.plan_gemm((90, 16, 227 * 1024), name, 70, 2112, "bf16", 9)
    assert plan["steps_per_split"] == {"BF16": 5, "NVFP4": 8}.get(name, 6)
    check_linear(name, 9, 70, 2112)


def test_blocks_of_any_size_by_warpgroups(on):
    """Where a GPU cuts a sum into the same parts, blocks of three warpgroups give the bits of those of four."""
    on(90, multiprocessors=4)
    results = []
    for rows in (140, 20):
        assert plan_of("Q4_K", rows, 250, 2816, 4) == (4 if rows == 140 else 3, 2)
        results.append(_ops.linear(draw(140, 2816)[:rows], stored("Q4_K", 250, 2816)))
    assert_same_bits(results[1], results[0][:20])


def test_any_company_by_warpgroups(on):
    on(90)
    x, weight = draw(300, 768), stored("Q4_K", 70, 768)
    together = _ops.linear(x, weight)
    for rows in (slice(0, 1), slice(40, 104), slice(7, 100), slice(100, 300)):
        assert_same_bits(_ops.linear(x[rows], weight), together[rows])


def test_special_values_by_warpgroups(on):
    on(90)
    x = draw(70, 256)
    x[3, 5] = np.inf
    got = _ops.linear(x, stored("Q8_0", 70, 256))
    assert not np.isfinite(got[3]).any() and np.isfinite(np.delete(got, 3, axis=0)).all()


def route(tokens, num_experts, num_active):
    return _ops.route(draw(tokens, num_experts, seed=3), vector(np.ones(num_experts)), num_active)


def gated_experts(x, weight, experts, rows):
    ones = np.ones(len(weight), x.dtype)
    both = expert_linear(x, weight, experts, rows, ones)
    return gelu_mul(*np.split(both, 2, axis=1))


def check_experts(name, tokens, num_experts, outputs, columns):
    """Each token has two experts."""
    x, routing = draw(tokens, columns), route(tokens, num_experts, 2)
    weight, scale = stored(name, num_experts, outputs, columns), draw(num_experts, seed=4)
    experts = np.repeat(np.arange(num_experts), np.diff(routing.expert_offsets))
    arguments = (x, values_of(weight), experts, routing.token_of_slot, scale)
    got = _ops.expert_linear(x, weight, routing, by_slot=False, scale=vector(scale))
    assert_within_rule(got, expert_linear, *arguments, product_with=name)
    return got


# Tokens, experts and outputs: narrow tiles and wide ones (more than 24 rows an expert), with fewer outputs than a block
# has (128) and more.
EXPERT_SHAPES = [(1, 3, 64), (9, 5, 70), (40, 3, 257), (100, 2, 330)]


@pytest.mark.parametrize("name", EXPERTS)
def test_experts_by_warpgroups(on, name):
    """Rows end anywhere in a span of 128 or 256 columns, and begin at odd addresses."""
    on(90)
    for shape, blocks in zip(EXPERT_SHAPES, (1, 3, 2, 5), strict=True):
        check_experts(name, *shape, blocks * SIZES[name][0])


@pytest.mark.parametrize("tokens", [64, 65, 97, 129, 145, 170])
def test_many_rows_of_experts_by_warpgroups(on, tokens):
    """Each expert has so many rows. A wide tile multiplies 64, 96, 128, 144 or 160, and the last case has two tiles."""
    on(90)
    check_experts("Q4_K", tokens, 2, 40, 256)


@pytest.mark.parametrize("tokens", [9, 30])
@pytest.mark.parametrize(("name", "columns"), [("Q4_K", 256), ("Q6_K", 768), ("Q8_0", 544)])
def test_runs_of_experts_by_warpgroups(on, emulator, name, columns, tokens):
    """Two blocks have 6 narrow tiles, or one has 6 wide ones. So it computes tiles of an expert one behind the other,
    and the results are those of blocks with a tile each. A row of weights has one span of columns, or three. Races are
    errors."""
    x, routing = draw(tokens, columns) / 4, route(tokens, 2, 2)
    plain, gated, down = stored(name, 2, 384, columns), stored(name, 2, 384, columns), stored("Q8_0", 2, 20, 192)
    results = []
    for multiprocessors in (100, 1):
        on(90, multiprocessors=multiprocessors)
        emulator.watch_accesses(True)
        results.append(_ops.expert_linear(x, plain, routing, by_slot=False))
        results.append(_ops.expert_gated_linear(x, gated, None, None, routing, down=down))
        emulator.watch_accesses(False)
    assert_same_bits(results[0], results[2])
    assert_same_bits(results[1], results[3])


@pytest.mark.parametrize("name", EXPERTS)
def test_experts_read_weights_without_bank_conflicts(on, emulator, name):
    """Rows of 704 columns begin 0, 4, 8 and 12 bytes behind a multiple of 16."""
    on(90)
    columns = 768 if name.endswith("K") else 704
    routing, weight = route(5, 2, 2), stored(name, 2, 128, columns)
    emulator.take_counts()
    emulator.watch_accesses(True)
    _ops.expert_linear(draw(5, columns), weight, routing, by_slot=False)
    emulator.watch_accesses(False)
    shared = [accesses for launch in emulator.take_counts() for accesses in launch.shared]
    reads = [accesses for accesses in shared if "half_" in accesses.place and not accesses.is_store]
    assert reads
    assert [(read.place, read.bytes, read.num_ways) for read in reads if read.num_ways > 1] == []


@pytest.mark.parametrize("name", EXPERTS)
def test_gated_experts_by_warpgroups(on, name):
    on(90)
    for tokens, outputs, columns in [(20, 33, 512), (70, 150, 256)]:
        x, routing, weight = draw(tokens, columns) / 4, route(tokens, 4, 2), stored(name, 4, 2 * outputs, columns)
        experts = np.repeat(np.arange(4), np.diff(routing.expert_offsets))
        got = _ops.expert_gated_linear(x, weight, None, None, routing)
        assert_within_rule(got, gated_experts, x, values_of(weight), experts, routing.token_of_slot, product_with=name)


@pytest.mark.parametrize(("name", "columns"), [("Q4_K", 2816), ("Q8_0", 704)])
def test_experts_in_any_order_by_warpgroups(on, name, columns):
    """Sizes of the model, in several orders of the threads."""
    results = []
    for seed in (1, 2, 3):
        on(90, seed=seed)
        results.append(check_experts(name, 6, 4, 80, columns))
        assert_same_bits(results[-1], results[0])


@pytest.mark.parametrize("name", EXPERTS)
def test_any_company_of_experts_by_warpgroups(on, name):
    """A token alone has narrow tiles, and among 60 others wide ones."""
    on(90)
    x, weight, scores = draw(61, 512), stored(name, 2, 70, 512), draw(61, 2, seed=3)

    def by_token(tokens):
        routing = _ops.route(scores[tokens], vector(np.ones(2)), 2)
        return _ops.expert_linear(x[tokens], weight, routing, by_slot=False)[routing.slot_of_pair]

    together = by_token(slice(0, 61))
    for tokens in (slice(0, 1), slice(3, 24), slice(60, 61)):
        assert_same_bits(by_token(tokens), together[tokens])


def test_special_values_of_experts_by_warpgroups(on):
    on(90)
    x, weight = draw(40, 256), stored("Q4_K", 2, 70, 256)
    x[3, 5], x[7, 9] = np.inf, np.nan
    routing = route(40, 2, 2)
    got = _ops.expert_linear(x, weight, routing, by_slot=False)[routing.slot_of_pair]
    assert not np.isfinite(got[[3, 7]]).any() and np.isfinite(np.delete(got, [3, 7], axis=0)).all()


def test_the_warpgroups_are_used(on):
    """The emulated warpgroup adds in another order than a warp, so the last bits must differ."""
    x, weight = draw(64, 2048), stored("Q8_0", 64, 2048)
    routing, experts = route(64, 2, 1), stored("Q8_0", 2, 64, 2048)
    on(80)
    others = _ops.linear(x, weight), _ops.expert_linear(x, experts, routing, by_slot=False)
    on(90)
    results = _ops.linear(x, weight), _ops.expert_linear(x, experts, routing, by_slot=False)
    assert all((result != other).any() for result, other in zip(results, others, strict=True))


@pytest.mark.parametrize("name", ["Q4_K", "Q6_K", "NVFP4"])
def test_wide_tiles_of_int8(on, name):
    """Rows around pairs of groups of 8, and around tiles of 256. Each has the bits that it has in a narrow tile."""
    on(89, "int8")
    x, weight = draw(265, 320 if name == "NVFP4" else 256), stored(name, 70, 320 if name == "NVFP4" else 256)
    narrow = np.concatenate([_ops.linear(x[first : first + 24], weight) for first in range(0, 265, 24)])
    for rows in (25, 135, 137, 255, 265):
        assert_same_bits(_ops.linear(x[:rows], weight), narrow[:rows])


GPUS_WITH_FP4 = [(120, "bf16"), (121, "int8")]


@pytest.mark.parametrize("gpu", GPUS_WITH_FP4)
@pytest.mark.parametrize("name", FP4)
def test_linear_of_4_bit_floats(on, gpu, name):
    """Sizes around tiles of 64 outputs by 24 and by 128 rows. Rows of MXFP4 may end in half a step of 64 columns."""
    on(*gpu)
    block = SIZES[name][0]
    for rows, outputs, blocks in [(1, 1, 1), (23, 64, 3), (25, 65, 5), (129, 63, 9), (5, 20, 2816 // block)]:
        check_linear(name, rows, outputs, blocks * block)
    check_gated(name, 40, 33, 5 * block)
    check_gated(name, 3, 64, 12 * block)


@pytest.mark.parametrize("gpu", GPUS_WITH_FP4)
@pytest.mark.parametrize("name", FP4)
def test_experts_of_4_bit_floats(on, gpu, name):
    on(*gpu)
    for tokens, num_experts, columns in [(9, 5, 64), (150, 2, 320)]:
        check_experts(name, tokens, num_experts, 70, columns)


@pytest.mark.parametrize("gpu", GPUS_WITH_FP4)
@pytest.mark.parametrize("name", FP4)
def test_gated_experts_of_4_bit_floats(on, gpu, name):
    on(*gpu)
    x, routing, weight = draw(20, 192), route(20, 4, 2), stored(name, 4, 2 * 33, 192)
    experts = np.repeat(np.arange(4), np.diff(routing.expert_offsets))
    got = _ops.expert_gated_linear(x, weight, None, None, routing)
    assert_within_rule(got, gated_experts, x, values_of(weight), experts, routing.token_of_slot, product_with=name)


@pytest.mark.parametrize("name", FP4)
def test_any_company_of_4_bit_floats(on, name):
    on(120)
    x, weight = uneven(140, 320), stored(name, 70, 320)
    together = _ops.linear(x, weight)
    assert_same_bits(_ops.linear(x[:9], weight), together[:9])
    assert_rows_independent(lambda rows: _ops.linear(x[rows], weight), 9)
    on(120, seed=5)
    assert_same_bits(_ops.linear(x, weight), together)


# The root mean square errors of products; csrc/cuda/gemm/pack/fp4_activations.h states them.
FP4_ERRORS = [
    ("NVFP4", "bf16", 0.0009),
    ("NVFP4", "int8", 0.0095),
    ("MXFP4", "bf16", 0.0004),
    ("MXFP4", "int8", 0.0025),
]


@pytest.mark.parametrize(("name", "activations", "limit"), FP4_ERRORS)
@pytest.mark.parametrize("rows", [draw, uneven])
def test_errors_of_4_bit_floats(on, name, activations, limit, rows):
    """With a term missing the error would be about ten times as large. Rounding to bf16 alone gives 0.0017."""
    on(120, activations)
    x, weight = rows(16, 2816), stored(name, 64, 2816)
    exact = linear(x.astype(np.float64), values_of(weight).astype(np.float64))
    error = np.sqrt(np.mean((_ops.linear(x, weight) - exact) ** 2) / np.mean(exact**2))
    assert limit / 20 < error < limit


@pytest.mark.parametrize("ratio", [2.0**8, 2.0**12, 1e9])
@pytest.mark.parametrize("name", FP4)
def test_rows_of_4_bit_floats_with_an_outlier(on, name, ratio):
    """Where the weights of an outlier are 0, what it takes from the others shows. Rows of NVFP4 have one range: their
    values are off by up to 2^-21 of the largest one. Blocks of MXFP4 have their own."""
    on(120)
    x, (_, shape, data) = draw(40, 320).clip(-1, 1), stored(name, 64, 320)
    values = data.reshape(64, -1, 36 if name == "NVFP4" else 17)
    values[:, 0] = 0  # the first blocks, with their scales
    x[:, 3] = ratio
    weight = (name, shape, data)
    exact = linear(x.astype(np.float64), values_of(weight).astype(np.float64))
    error = _ops.linear(x, weight) - exact
    if name == "NVFP4":
        assert (np.abs(error) <= 2.0**-21 * ratio * np.abs(values_of(weight)).sum(axis=1) + 0.01 * np.abs(exact)).all()
    if name == "MXFP4" or ratio <= 2.0**12:
        assert np.sqrt(np.mean(error**2) / np.mean(exact**2)) < 0.0017  # as with bf16


def test_scales_of_nvfp4(on):
    """A scale of 0x7f or 0xff counts as 0 and a sign is ignored, as in the format's decoder."""
    on(120)
    x, (name, shape, data) = draw(5, 128), stored("NVFP4", 20, 128)
    blocks = data.reshape(-1, 36)
    blocks[::3, 1], blocks[1::3, 0], blocks[::2, 2] = 0x7F, 0, 5
    expected = _ops.linear(x, (name, shape, blocks.reshape(-1)))
    arguments = (x, values_of((name, shape, blocks.reshape(-1))))
    assert_within_rule(expected, linear, *arguments, magnitude=magnitude(*arguments), product_with=name)
    blocks[::2, 2] |= 0x80
    blocks[::3, 1] |= 0x80
    assert_same_bits(_ops.linear(x, (name, shape, blocks.reshape(-1))), expected)


@pytest.mark.parametrize(("arch", "activations"), [(90, "bf16"), (86, "int8"), (120, "bf16"), (121, "int8")])
@pytest.mark.parametrize("num_rows", [5, 100])
def test_every_product_reads_scales_of_nvfp4_alike(on, arch, activations, num_rows):
    """NaN is 0, with a sign and without, whichever kernel reads it."""
    on(arch, activations)
    x, (name, shape, data) = draw(num_rows, 128), stored("NVFP4", 80, 128)
    blocks = data.reshape(-1, 36)
    results = []
    for code in (0, 0x7F, 0xFF):
        blocks[::3, 1] = code
        results.append(_ops.linear(x, (name, shape, blocks.reshape(-1).copy())))
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])


@pytest.mark.parametrize("name", FP4)
def test_special_values_of_4_bit_floats(on, name):
    """Rows of zeros, of tiny and of huge values. A value that is not finite affects its own row only."""
    on(120)
    x, weight = draw(8, 128), stored(name, 20, 128)
    x[1] = 0
    x[2] *= 1e-30
    x[3] *= 1e30
    x[4, 7], x[5, 9] = np.inf, np.nan
    got = _ops.linear(x, weight)
    assert (got[1] == 0).all() and np.isnan(got[4:6]).all()
    rest = [0, 2, 3, 6, 7]
    arguments = (x[rest], values_of(weight))
    assert_within_rule(got[rest], linear, *arguments, magnitude=magnitude(*arguments), product_with=name)


def check_rounded_at_once(gate_name, down_name, rows, outputs, columns):
    """A result or norm that is rounded at once for the next product gives the bits of one that is stored first."""
    x, down = draw(rows, columns) / 4, stored(down_name, 19, outputs, seed=11)
    gate, up = stored(gate_name, outputs, columns), stored(gate_name, outputs, columns, seed=8)
    assert_same_bits(_ops.gated_linear(x, gate, up, down=down), _ops.linear(_ops.gated_linear(x, gate, up), down))
    norm, products = vector(draw(columns, seed=5)), [gate, stored("F32", 19, columns), up]
    normed = _ops.rms_norm(x, norm, 1e-6)
    for got, product in zip(_ops.rms_norm_products(x, 1e-6, [(norm, 1.0, products)]), products, strict=True):
        assert_same_bits(got, _ops.linear(normed, product))


@pytest.mark.parametrize("rows", [5, 130])
@pytest.mark.parametrize("outputs", [32, 64, 96, 192, 224])  # half a warpgroup to four; with and without a half step
@pytest.mark.parametrize("columns", [256, 2304])  # one split of the sum, and several
def test_rounded_at_once_by_warpgroups(on, columns, outputs, rows):
    on(90, multiprocessors=2 if outputs == 224 else 16)
    check_rounded_at_once("Q8_0", "Q8_0" if outputs % 64 else "BF16", rows, outputs, columns)


@pytest.mark.parametrize("gpu", GPUS_WITH_FP4)
@pytest.mark.parametrize("name", FP4)
def test_rounded_at_once_of_4_bit_floats(on, gpu, name):
    on(*gpu)
    check_rounded_at_once(name, "Q8_0", 30, 64, 320)
    check_rounded_at_once("Q8_0", name, 30, 64, 320)
