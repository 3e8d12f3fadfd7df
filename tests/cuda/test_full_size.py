"""The memory and the launches of the 26B model on a GPU. Memory is requested, but nothing is computed."""

import gc
from itertools import pairwise

import pytest

import gesso
from gpu.step_model.assumptions import CARDS
from gpu.step_model.goals import MOST_LAUNCHES
from gpu.step_model.step import launches
from python.gguf_manifest import write_hollow

GB = 10**9


@pytest.fixture(scope="module")
def hollow(tmp_path_factory):
    """The published Q4_K_M file with a hole in place of its data."""
    path = tmp_path_factory.mktemp("full") / "26b.gguf"
    write_hollow(path, "Q4_K_M")
    return path


@pytest.fixture
def dry(emulator, activations):
    if activations == "int8":
        pytest.skip("the device chooses the activations itself here, as in the run without int8")
    emulator.set_architecture(90)
    emulator.set_num_multiprocessors(CARDS["H200"]["sms"])
    emulator.set_total_bytes(141 * GB)
    emulator.set_dry_run(True)
    yield emulator
    gc.collect()
    emulator.set_dry_run(False)


def test_a_step_of_q4_k_m(hollow, dry):
    """The 17 GB of the file are read once for both: its memory and its launches."""
    before = dry.allocated_bytes()  # other tests' scratch memory
    model = gesso.load(hollow, "cuda")
    weights = dry.allocated_bytes() - before
    assert model.native.weight_bytes <= weights <= model.native.weight_bytes + 1_000_000
    check_memory_at_4096_tokens(model, dry)
    check_launches_of_a_step(model, dry)


def check_memory_at_4096_tokens(model, dry):
    """One sequence of 4096 tokens and a canvas needs at most 1 GB beside the weights."""
    weights = dry.allocated_bytes()
    dry.reset_peak_bytes()
    session = model.session()
    session.generate([5] * (4096 - 256), max_new_tokens=256, max_denoising_steps=3, end_token_ids=[])
    assert session.length == 4096
    assert dry.peak_bytes() - weights <= 1 * GB
    print(f"weights {weights}, beyond them {dry.peak_bytes() - weights} bytes")


def check_launches_of_a_step(model, dry):
    """bench/gpu/step_model lists every launch of a step: as many as the library makes. A kernel that is fused or added
    without the list makes this fail."""
    for canvases in (1, 8):
        session = model.session(canvases)
        session.encode([[5] * 20] * canvases)
        seen = [dry.num_kernels_launched()]  # and behind each pass, which has all canvases
        session.generate(
            max_new_tokens=256,
            max_denoising_steps=4,
            confidence_threshold=0.0,
            end_token_ids=[],
            on_step=lambda event, seen=seen: seen.append(dry.num_kernels_launched()),
        )
        made = [count for count in (after - before for before, after in pairwise(seen)) if count > 0]
        print(f"{canvases} canvases: {made} launches")
        # The first step has no self-conditioning. The third is recorded, and the fourth replays it: it makes none.
        assert made[1:] == 2 * [len(launches("H200", "Q4_K_M", canvases))]
        if canvases == 1:
            assert made[-1] <= MOST_LAUNCHES


def test_does_not_fit(hollow, dry):
    dry.set_total_bytes(12 * GB + dry.allocated_bytes())
    with pytest.raises(MemoryError, match=r"the weights need 16[0-9]{9} bytes, 12000000000 bytes are free"):
        gesso.load(hollow, "cuda")
