"""How weights go to a GPU: each once, as stored, in the order of the file, and only if all fit."""

import ctypes
import gc
import mmap
import time

import numpy as np
import pytest

import gesso
from gesso import _native
from gesso.files.checkpoint import fill_checkpoint
from gesso.files.gguf_reader import read_gguf
from gesso.files.tensor import Tensor
from gesso.loading import open_checkpoint
from python.split_gguf import split
from python.tiny_model import Sizes, model_metadata, random_tensors, tiny_model


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


def test_what_lies_between_tensors_is_zero(path, emulator):
    """Kernels read whole 16-byte pieces, and so up to 15 bytes behind a tensor. Nothing there may be uninitialised."""
    model = gesso.load(path, "cuda")
    placed = emulator.largest_allocation()
    assert len(placed) >= model.native.weight_bytes
    not_found = []
    for tensor in read_gguf(path).tensors():
        data = tensor.data.tobytes()
        places = [at for at in range(0, len(placed), 256) if placed.startswith(data, at)]
        not_found += [] if places else [tensor.name]
        for at in places[:1]:
            end = at + len(data)
            assert placed[end : end // 256 * 256 + 256].strip(b"\0") == b"", tensor.name
    assert all("layer_output_scale" in name or "rope_freqs" in name for name in not_found)  # the host reads these
    assert placed[-16:] == bytes(16)


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
    assert emulator.take_failure() == ""  # the copy that was under way has still found the block that it reads


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


def test_integrated_memory_can_be_copied(path, emulator):
    """So that it can be measured which is faster."""
    emulator.set_architecture(121)
    emulator.set_integrated(True)
    gc.collect()
    before = emulator.allocated_bytes()
    model = gesso.load(path, "cuda", copy_weights=True)
    assert emulator.allocated_bytes() - before >= model.native.weight_bytes
    expected = gesso.load(path, "cuda").generate([5, 6, 8], max_new_tokens=8, max_denoising_steps=3)
    assert model.generate([5, 6, 8], max_new_tokens=8, max_denoising_steps=3).sequences == expected.sequences
    with pytest.raises(TypeError, match="copy_weights: expected True or False, got int 1"):
        gesso.load(path, "cuda", copy_weights=1)


def num_resident(memory):
    """How many bytes of a mapped file are in memory."""
    size = len(memory)
    pages = (ctypes.c_ubyte * (size // mmap.PAGESIZE))()
    address = np.frombuffer(memory, np.uint8).ctypes.data
    assert ctypes.CDLL(None, use_errno=True).mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), pages) == 0
    return sum(page & 1 for page in pages) * mmap.PAGESIZE


def becomes_resident(memory, num_bytes):
    end = time.monotonic() + 60
    while num_resident(memory) < num_bytes and time.monotonic() < end:
        time.sleep(0.01)
    return num_resident(memory) >= num_bytes


def test_mapped_weights_are_read_ahead(tmp_path, emulator):
    """As on the CPU, if the GPU reads them where they are mapped. Nothing else reads them before a step does."""
    emulator.set_architecture(121)
    emulator.set_integrated(True)
    shape = (640 << 10, Sizes().hidden_size)  # 80 MB; it takes 64 to be read ahead
    with open(tmp_path / "hole", "wb") as file:
        file.truncate(shape[0] * shape[1] * 4)
    with open(tmp_path / "hole", "rb") as file:
        hole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    table = Tensor("token_embd.weight", "F32", shape, np.frombuffer(hole, np.float32).reshape(shape))
    others = [tensor for tensor in random_tensors(Sizes(), 0) if tensor.name != table.name]
    metadata = model_metadata(Sizes(vocab_size=shape[0]))
    checkpoint = fill_checkpoint(metadata, [table, *others], lambda tensor: tensor.data)
    assert num_resident(hole) == 0
    model = _native.Model(checkpoint, "cuda")
    assert becomes_resident(hole, len(hole)) and model.device == "cuda:0"


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
