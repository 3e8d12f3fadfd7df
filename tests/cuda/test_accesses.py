"""What the kernels of products do to memory: launches, bytes and bank conflicts, as the emulator counts them. While it
counts, a race between threads is an error, even one that changes no result."""

import numpy as np
import pytest

from cuda.models import GOLDEN
from gesso import _ops
from reference import device
from reference.route import slots
from reference.stored import SIZES, random_weight, values_of, vector
from reference.tolerance import assert_same_bits

ARCHITECTURES = [86, 90, 120]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def stored(name, *shape, seed=9):
    return random_weight(np.random.default_rng(seed), name, shape)


@pytest.fixture
def watch(emulator, activations):
    """watch(architecture, run) calls run() on such a GPU with its accesses watched, and returns the counts by the
    kernel's name."""

    def run_watched(architecture, run):
        emulator.set_architecture(architecture)
        device.use("cuda", activations)
        emulator.take_counts()
        emulator.watch_accesses(True)
        run()
        emulator.watch_accesses(False)
        return {counts.name: counts for counts in emulator.take_counts()}

    yield run_watched
    emulator.reset_settings()
    emulator.take_counts()
    device.use("cuda", activations)


# Formats with spans of 64, 128 and 256 columns, of one block, of several and of a part of one.
SPANS = ["F32", "BF16", "Q8_0", "Q4_0", "MXFP4", "NVFP4", "Q4_K", "Q6_K", "Q3_K"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", SPANS)
def test_no_races(watch, architecture, name):
    """Sums of 1 to 20 steps of 64 columns, with narrow and with wide tiles. A ring that is too short for its copies, or
    a copy that is not waited for, ends the kernel with an error."""
    block = SIZES[name][0]

    def run():
        for columns in (64, 256, 1280):
            weight = stored(name, 70, -(-columns // block) * block)
            for rows in (5, 40):
                _ops.linear(draw(rows, weight[1][1]), weight)

    linear = watch(architecture, run)["linear"]
    assert linear.num_launches >= 6
    assert {accesses.is_store for accesses in linear.shared} == {False, True}


@pytest.mark.parametrize("name", [name for name in SPANS if name not in ("F32", "Q3_K")])
def test_no_races_of_four_warpgroups(watch, emulator, name):
    """The products above have blocks of three."""
    emulator.set_num_multiprocessors(1)
    weight = stored(name, 200, 1280)
    assert watch(90, lambda: [_ops.linear(draw(rows, 1280), weight) for rows in (5, 70)])["linear"].num_launches == 2


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_races_in_parts_of_the_sum(watch, emulator, architecture):
    """Parts begin at any step. The last block of a tile adds them."""
    emulator.set_num_multiprocessors(200)
    for name in ("BF16", "Q4_K", "NVFP4"):
        plan = _ops.plan_gemm((architecture, 200, 99 * 1024), name, 20, 2816, "bf16", 9)
        assert " x 1 split," not in plan["text"]
        counts = watch(architecture, lambda name=name: _ops.linear(draw(9, 2816), stored(name, 20, 2816)))
        assert counts["linear"].num_launches == 1


def test_no_races_with_experts(watch, emulator):
    """A block computes tiles of several experts, one after another."""
    emulator.set_num_multiprocessors(2)
    routing = _ops.route(draw(40, 256, seed=3), ("F32", [256], np.ones(256, np.float32).view(np.uint8)), 2)
    weight = stored("Q4_K", 256, 20, 256)
    assert "expert_linear" in watch(86, lambda: _ops.expert_linear(draw(40, 256), weight, routing))


# Formats of which a block has room for short rows of x beside the weights, and columns of rows that are short.
KEPT = {"Q5_0": (32, 704, 768), "NVFP4": (64, 704, 768), "Q6_K": (256, 512, 768)}


@pytest.mark.parametrize("name", KEPT)
def test_short_rows_are_copied_once_for_a_run(emulator, on_hopper, name):
    """Two blocks compute two tiles of 128 outputs, or four. They copy their rows of x once. Longer rows are copied for
    each tile, and so are all rows in tiles of their own. The sums are the same."""
    routing = _ops.route(np.zeros((5, 1), np.float32), vector(np.ones(1)), 1)

    def multiply(outputs, columns, num_multiprocessors=1):
        emulator.set_num_multiprocessors(num_multiprocessors)
        device.use("cuda", "bf16")
        emulator.take_counts()
        emulator.watch_accesses(True)
        result = _ops.expert_linear(draw(5, columns), stored(name, 1, outputs, columns), routing, by_slot=False)
        emulator.watch_accesses(False)
        counts = {counts.name: counts for counts in emulator.take_counts()}
        return result, counts["expert_linear"].global_bytes

    for columns in (*KEPT[name], 1024):
        of_two, of_four = multiply(256, columns), multiply(512, columns)
        rows_bytes = 5 * 2 * -(-columns // 64) * 64
        assert 2 * of_two[1] - of_four[1] == (2 * rows_bytes if columns < 1024 else 0), columns
        apart = multiply(512, columns, num_multiprocessors=132)
        assert apart[1] == of_four[1] + (2 * rows_bytes if columns < 1024 else 0)
        assert_same_bits(of_four[0], apart[0])


@pytest.mark.parametrize("num_multiprocessors", [1, 24, 40, 132])
def test_no_races_in_a_router(watch, emulator, num_multiprocessors):
    """A large GPU cuts the sum over 300 columns, which are 10 steps, into 1, 3, 5 or 10 parts. The parts have the same
    sum, up to the last bits."""
    x, weight, ones = draw(40, 300), stored("F32", 20, 300), ("F32", [20], np.ones(20, np.float32).view(np.uint8))
    emulator.set_num_multiprocessors(num_multiprocessors)
    routings = []
    counts = watch(90, lambda: routings.append(_ops.router(x, weight, ones, 20)))
    scores = x @ values_of(weight).T
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    weights = np.take_along_axis(shares / shares.sum(-1, keepdims=True), routings[0].experts, -1)
    np.testing.assert_allclose(routings[0].weights, weights, rtol=1e-4)
    assert counts["router"].num_launches == counts["route"].num_launches == 1
    assert {accesses.num_ways for accesses in counts["router"].shared} == {1}  # no bank conflicts


@pytest.mark.parametrize(("num_experts", "num_active"), [(128, 8), (600, 9)])
def test_no_races_in_a_route(watch, num_experts, num_active):
    """The last block sorts the pairs of all tokens. Its groups of threads go from token to token together."""
    scores, ones = draw(70, num_experts), ("F32", [num_experts], np.ones(num_experts, np.float32).view(np.uint8))
    routings = []
    assert "route" in watch(90, lambda: routings.append(_ops.route(scores, ones, num_active)))
    np.testing.assert_array_equal(routings[0].slot_of_pair, slots(routings[0].experts, num_experts)[0])


@pytest.mark.parametrize("architecture", [86, 90])
@pytest.mark.parametrize("name", ["Q8_0", "Q6_K"])
def test_soft_embedding(watch, emulator, architecture, name):
    """A block's sums are of one tile, and then of the next. The rows of the table are read without bank conflicts."""
    emulator.set_num_multiprocessors(3)
    counts = watch(architecture, lambda: _ops.soft_embed(draw(3, 640), stored(name, 640, 256), 1.0))
    shared = counts["soft_embed"].shared
    assert {accesses.is_store for accesses in shared} == {False, True}
    assert [accesses.place for accesses in shared if accesses.num_ways > 1 and not accesses.is_store] == []


@pytest.mark.parametrize(("num_key_value_heads", "head_dim", "num_rotated"), [(2, 256, 128), (1, 512, 64)])
@pytest.mark.parametrize("num_multiprocessors", [1, 132])
def test_attention_of_warpgroups(watch, emulator, num_multiprocessors, num_key_value_heads, head_dim, num_rotated):
    """Over 300 keys, in one part and in four. Stages, weights and scores are used again while the other group of warps
    may still need them. No access has bank conflicts."""
    emulator.set_num_multiprocessors(num_multiprocessors)
    q, values = draw(20, 2 * head_dim), draw(300, num_key_value_heads, head_dim, seed=1)
    is_shared = 2 * num_rotated < head_dim
    halves = np.split(values, 2, axis=-1)
    keys = np.concatenate([half[..., :num_rotated] for half in halves], axis=-1) if is_shared else values
    sequence = _ops.AttentionSequence(num_rows=20, first_position=280, cached_keys=keys, cached_values=values)
    layout = {"num_rotated": num_rotated, "is_shared": is_shared}
    arguments = (q, num_key_value_heads, head_dim)
    counts = watch(90, lambda: _ops.attention(*arguments, causal=True, window=0, sequences=[sequence], **layout))
    shared = counts["attention"].shared
    assert {accesses.num_ways for accesses in shared} == {1}
    assert {accesses.is_store for accesses in shared} == ({False, True} if is_shared else {True})


def test_no_races_in_a_step(watch, load):
    """The other kernels, as far as their accesses are seen."""
    model = load(GOLDEN / "mixed.gguf")
    counts = watch(90, lambda: model.generate([5, 6], max_new_tokens=1, max_denoising_steps=3))
    assert {"attention", "head_stats", "soft_embed"} <= counts.keys()


# The most words of one bank that the loads of a warp ask for. A smaller number is better, and 1 is without conflicts.
MOST_WAYS = {
    "BF16": 1,
    "Q4_0": 1,
    "Q5_0": 1,
    "Q8_0": 1,
    "Q4_K": 1,
    "Q5_K": 1,
    "Q6_K": 1,
    "MXFP4": 2,
    "NVFP4": 1,
}


@pytest.mark.parametrize("outputs", [128, 256])  # on 9.0 a block has three warpgroups, or four
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", MOST_WAYS)
def test_bank_conflicts(watch, emulator, architecture, name, outputs):
    emulator.set_num_multiprocessors(1)
    linear = watch(architecture, lambda: _ops.linear(draw(40, 768), stored(name, outputs, 768)))["linear"]
    loads = [accesses for accesses in linear.shared if not accesses.is_store]
    assert max(accesses.num_ways for accesses in loads) <= MOST_WAYS[name]
    for accesses in loads:
        is_free = accesses.num_passes == accesses.num_free_passes
        assert (accesses.num_ways == 1) == is_free, accesses.place


def x_bytes_read(architecture, activations, columns):
    """What a product of 5 rows with 128 outputs reads of its rows."""
    if architecture == 90 and activations == "bf16":
        return 5 * 2 * columns  # one tile of 128 outputs
    scales = 16 * columns // 64  # of each step of 64 columns
    # Two tiles of 64 outputs read the rows in groups of 8.
    return 2 * 8 * (2 * columns if activations == "bf16" else columns + scales)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", ["Q4_K", "Q5_K"])
def test_a_product_reads_each_weight_once(watch, activations, architecture, name):
    weight = stored(name, 128, 768)
    counts = watch(architecture, lambda: _ops.linear(draw(5, 768), weight))
    assert counts["linear"].global_bytes == weight[2].nbytes + x_bytes_read(architecture, activations, 768)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_launches_of_an_op(watch, architecture):
    """A product packs its rows, and multiplies."""
    counts = watch(architecture, lambda: _ops.linear(draw(5, 256), stored("NVFP4", 128, 256)))
    pack = "pack_fp4_activations" if architecture == 120 else "pack_activations"
    assert {name: kernel.num_launches for name, kernel in counts.items()} == {"linear": 1, pack: 1}
