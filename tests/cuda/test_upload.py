"""How weights go to a GPU: each once, as stored, in the order of the file, and only if all fit."""

import gc

import pytest

import gesso
from gesso.loading import open_checkpoint
from python.split_gguf import split
from python.tiny_model import tiny_model


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("upload") / "tiny.gguf")


def test_memory_is_that_of_the_weights(path, emulator):
    """Every tensor takes its bytes once, also where the head is the embedding, and at most 512 bytes more."""
    gc.collect()
    before = emulator.allocated_bytes()
    model = gesso.load(path, "cuda")
    tensors = open_checkpoint(path).tensors
    took = emulator.allocated_bytes() - before
    assert sum(tensor.num_bytes for tensor in tensors) <= took <= sum(t.num_bytes + 512 for t in tensors) + 2048
    assert gesso.devices()[1].used_bytes >= took
    del model
    gc.collect()
    assert emulator.allocated_bytes() == before


def test_progress(path):
    calls = []
    model = gesso.load(path, "cuda", on_progress=lambda done, total: calls.append((done, total)))
    done = [call[0] for call in calls]
    assert done == sorted(done) and done[0] > 0
    assert {call[1] for call in calls} == {done[-1]}
    assert done[-1] >= model.native.weight_bytes


@pytest.mark.parametrize("mmap", [True, False])
def test_the_parts_of_a_split_file(path, tmp_path, mmap):
    """They lie in several places of the host's memory, in no certain order."""
    expected, parts, totals = gesso.load(path, "cuda"), split(path, tmp_path / "tiny.gguf"), []
    model = gesso.load(parts[1], "cuda", on_progress=lambda done, total: totals.append(total), mmap=mmap)
    assert model.generate([5, 6], max_new_tokens=8).sequences == expected.generate([5, 6], max_new_tokens=8).sequences
    assert min(totals) == max(totals) >= expected.native.weight_bytes == model.native.weight_bytes


def test_no_progress_on_the_cpu(path):
    gesso.load(path, "cpu", on_progress=lambda done, total: pytest.fail("nothing is copied"))


def test_progress_may_raise(path, emulator):
    before = emulator.allocated_bytes()

    def stop(done, total):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        gesso.load(path, "cuda", on_progress=stop)
    assert emulator.allocated_bytes() == before
    assert emulator.pinned_bytes() == 0


def test_too_large(path, emulator):
    """A model that is too large is refused before any memory is taken. The error names both sizes."""
    gc.collect()
    emulator.set_total_bytes(emulator.allocated_bytes() + 100_000)
    emulator.reset_peak_bytes()
    before = emulator.peak_bytes()
    with pytest.raises(MemoryError, match=r"cuda:0: the weights need \d+ bytes, 100000 bytes are free"):
        gesso.load(path, "cuda")
    assert emulator.peak_bytes() == before
    assert gesso.load(path, "cpu").device == "cpu"


def test_integrated_memory_is_not_copied(path, emulator):
    """A GPU that reads the host's memory uses the mapped file itself."""
    emulator.set_architecture(121)
    emulator.set_integrated(True)
    gc.collect()
    before = emulator.allocated_bytes()
    model = gesso.load(path, "cuda", activations="bf16")
    assert gesso.devices()[1].shares_host_memory
    assert emulator.allocated_bytes() <= before + 2048  # copies of what lies at odd addresses, the frequencies
    generated = model.generate([5, 6, 8], max_new_tokens=8, max_denoising_steps=3)
    emulator.set_integrated(False)
    copied = gesso.load(path, "cuda", activations="bf16").generate([5, 6, 8], max_new_tokens=8, max_denoising_steps=3)
    assert generated.sequences == copied.sequences
