"""The memory of the 26B model on a GPU, as its allocator counts it. Memory is requested, but nothing is computed."""

import gc

import pytest

import gesso
from python.gguf_manifest import write_hollow

GB = 10**9


@pytest.fixture
def hollow(tmp_path):
    """The published Q4_K_M file with a hole in place of its data."""
    path = tmp_path / "26b.gguf"
    write_hollow(path, "Q4_K_M")
    return path


@pytest.fixture
def dry(emulator, activations):
    if activations == "int8":
        pytest.skip("the device chooses the activations itself here, as in the run without int8")
    emulator.set_architecture(90)
    emulator.set_total_bytes(141 * GB)
    emulator.set_dry_run(True)
    yield emulator
    gc.collect()
    emulator.set_dry_run(False)


def test_q4_k_m_at_4096_tokens(hollow, dry):
    """One sequence of 4096 tokens and a canvas needs the weights and at most 1 GB."""
    model = gesso.load(hollow, "cuda")
    weights = dry.allocated_bytes()
    assert model.native.weight_bytes <= weights <= model.native.weight_bytes + 1_000_000
    dry.reset_peak_bytes()
    session = model.session()
    session.generate([5] * (4096 - 256), max_new_tokens=256, max_denoising_steps=3, end_token_ids=[])
    assert session.length == 4096
    assert dry.peak_bytes() - weights <= 1 * GB
    print(f"weights {weights}, beyond them {dry.peak_bytes() - weights} bytes")


def test_does_not_fit(hollow, dry):
    dry.set_total_bytes(12 * GB)
    with pytest.raises(MemoryError, match=r"the weights need 16[0-9]{9} bytes, 12000000000 bytes are free"):
        gesso.load(hollow, "cuda")
