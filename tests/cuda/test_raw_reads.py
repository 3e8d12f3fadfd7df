"""Reads of stored weights from shared memory. The threads of a warp read the same word of 32 rows, or with warpgroups
8 bytes of 8 rows, or for products of 4-bit floats four words of 8 rows. If these rows shared banks, the read would take
several times as long. The same holds for the copies of experts' weights to shared memory."""

import numpy as np
import pytest

from gesso import _ops
from reference import device
from reference.stored import SIZES, random_weight, vector

# The formats of published files, and the columns of the 26B model's matrices in them.
COLUMNS = {
    "Q4_0": (704, 2112, 2816, 4096, 8192),
    "Q5_0": (704, 2112),
    "Q8_0": (704, 2112, 2816, 4096, 8192),
    "NVFP4": (704, 2112, 2816, 4096, 8192),
    "Q4_K": (2816, 4096, 8192),
    "Q5_K": (2816, 4096, 8192),
    "Q6_K": (2816, 4096, 8192),
}
# The kernel: architecture and rounding of the rows of x.
KERNELS = {
    "bf16": (86, "bf16"),
    "int8": (86, "int8"),
    "wgmma": (90, "bf16"),
    "fp4": (120, "bf16"),
    "experts": (90, "bf16"),
}
# All reads of stored bytes are there. The last file also reads rows of x.
READERS = (
    "words.h",
    "fragments.h",
    "wide_fragments.h",
    "half_fragments.h",
    "half_block_fragments.h",
    "gemm_fp4_tile.cuh",
)
EXPERT_COLUMNS = {"Q5_0": (704,), "Q8_0": (704, 2816), "NVFP4": (704, 2816), "Q4_K": (2816,)}
EXPERT_COPIES = "expert_tiles.cuh"  # of raw weights and of rows of x
FP4_COLUMNS = (256, 704, 2112, 2816, 4096, 8192)


def bytes_behind(name, columns):
    """How many bytes the second row begins behind a multiple of 16. The banks of all rows depend on this alone."""
    elements, size = SIZES[name]
    return columns // elements * size % 16


def small(name, columns):
    """The fewest columns whose rows begin at the same places."""
    step = max(64, SIZES[name][0])
    return next(few for few in range(step, columns + 1, step) if bytes_behind(name, few) == bytes_behind(name, columns))


@pytest.fixture
def count(emulator, request):
    """A function count(kernel, op): what the op's warps read with the functions of READERS, or what the functions of
    `writers` write."""

    def use(kernel, op, writers=None):
        architecture, activations = KERNELS[kernel]
        emulator.set_architecture(architecture)
        device.use("cuda", activations)
        emulator.take_counts()
        emulator.watch_accesses(True)
        op()
        emulator.watch_accesses(False)
        shared = [accesses for launch in emulator.take_counts() for accesses in launch.shared]
        places, are_stores = writers or READERS, writers is not None
        return [x for x in shared if x.place.startswith(places) and x.is_store == are_stores]

    yield use
    emulator.reset_settings()
    device.use("cuda", request.config.getoption("--activations"))


@pytest.mark.parametrize("kernel", ["bf16", "int8", "wgmma"])
@pytest.mark.parametrize("name", COLUMNS)
def test_rows_are_in_different_banks(count, kernel, name):
    rng = np.random.default_rng(1)
    for columns in sorted({small(name, columns) for columns in COLUMNS[name]}):
        weight = random_weight(rng, name, (128, columns))
        for rows in (5, 40):
            x = rng.standard_normal((rows, columns)).astype(np.float32)
            reads = count(kernel, lambda x=x, weight=weight: _ops.linear(x, weight))
            assert reads
            assert [(read.place, read.bytes, read.num_ways) for read in reads if read.num_ways > 1] == []


@pytest.mark.parametrize("name", EXPERT_COLUMNS)
def test_rows_of_experts_are_in_different_banks(count, name):
    rng = np.random.default_rng(1)
    routing = _ops.route(np.zeros((5, 1), np.float32), vector(np.ones(1)), 1)
    for columns in sorted({small(name, columns) for columns in EXPERT_COLUMNS[name]}):
        weight = random_weight(rng, name, (1, 128, columns))
        x = rng.standard_normal((5, columns)).astype(np.float32)
        for multiply in (
            lambda x=x, weight=weight: _ops.expert_linear(x, weight, routing, by_slot=False),
            lambda x=x, weight=weight: _ops.expert_gated_linear(x, weight, None, None, routing),
        ):
            reads = count("experts", multiply)
            assert any(read.place.startswith("half_") for read in reads)
            assert [(read.place, read.bytes, read.num_ways) for read in reads if read.num_ways > 1] == []


@pytest.mark.parametrize("name", [*EXPERT_COLUMNS, "Q6_K"])
def test_copies_of_experts_are_in_different_banks(count, name):
    """Rows of weights that begin at every place that they can, and rows of x, in narrow tiles and in wide ones."""
    rng = np.random.default_rng(1)
    for columns in sorted({small(name, columns) for columns in EXPERT_COLUMNS.get(name, (768, 2816))}):
        weight = random_weight(rng, name, (1, 128, columns))
        for rows in (5, 40):
            routing = _ops.route(np.zeros((rows, 1), np.float32), vector(np.ones(1)), 1)
            x = rng.standard_normal((rows, columns)).astype(np.float32)
            for multiply in (
                lambda x=x, weight=weight, routing=routing: _ops.expert_linear(x, weight, routing, by_slot=False),
                lambda x=x, weight=weight, routing=routing: _ops.expert_gated_linear(x, weight, None, None, routing),
            ):
                copies = count("experts", multiply, EXPERT_COPIES)
                assert {copy.bytes for copy in copies} == {16} and len(copies) == 2
                assert [(copy.place, copy.num_ways) for copy in copies if copy.num_ways > 1] == []


@pytest.mark.parametrize("gated", [False, True], ids=["dense", "gated"])
@pytest.mark.parametrize("name", ["NVFP4", "MXFP4"])
def test_rows_of_4_bit_floats_are_in_different_banks(count, name, gated):
    """Here also the scales of rows g and g + 8 of a matrix instruction are read together."""
    rng = np.random.default_rng(1)
    for columns in sorted({small(name, columns) for columns in FP4_COLUMNS}):
        weights = [random_weight(rng, name, (64, columns)) for _ in range(1 + gated)]
        for rows in (5, 40):
            x = rng.standard_normal((rows, columns)).astype(np.float32)
            op = _ops.gated_linear if gated else _ops.linear
            reads = count("fp4", lambda x=x, weights=weights, op=op: op(x, *weights))
            assert any(read.place.startswith("gemm_fp4_tile.cuh") for read in reads)
            assert [(read.place, read.bytes, read.num_ways) for read in reads if read.num_ways > 1] == []
