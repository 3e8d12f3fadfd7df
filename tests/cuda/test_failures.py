"""Generations that end early: out of memory, errors of the device, interrupts. The session must stay usable."""

import gc

import numpy as np
import pytest

import gesso
from cuda.models import GOLDEN

OPTIONS = {"max_new_tokens": 1, "max_denoising_steps": 4}


@pytest.fixture
def model(load):
    return load(GOLDEN / "mixed.gguf")


def test_out_of_memory_in_a_session(model, emulator):
    gc.collect()
    emulator.set_total_bytes(emulator.allocated_bytes() + 5000)
    with pytest.raises(MemoryError, match=r"out of memory on cuda:0: asked for \d+ bytes, \d+ bytes are free"):
        model.session(4)


def test_out_of_memory_in_a_prompt(model, emulator):
    """The cache cannot grow. The session is then as before the call, and goes on when there is memory again."""
    session = model.session()
    session.encode([5, 6, 7])
    canvas = np.arange(model.config.canvas_length) % model.config.vocab_size
    before = session.denoise(canvas)
    emulator.set_total_bytes(emulator.allocated_bytes() + 2000)
    with pytest.raises(MemoryError):
        session.encode(np.arange(400) % model.config.vocab_size)
    assert session.ids == [[5, 6, 7]]
    emulator.set_total_bytes(1 << 40)
    assert np.array_equal(session.denoise(canvas), before)
    assert session.generate([8], **OPTIONS).sequences == model.generate([5, 6, 7, 8], **OPTIONS).sequences


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_a_callback_raises(model, step):
    """The callback raises before the step is recorded, while it is recorded, and when it is replayed."""

    def fail(event):
        if event.step == step:
            raise LookupError("from the callback")

    session = model.session(2)
    session.encode([[5, 6], [7]])
    with pytest.raises(LookupError):
        session.generate([[8], [9]], on_step=fail, **OPTIONS)
    assert session.ids == [[5, 6], [7]]
    fresh = model.generate([[5, 6, 8], [7, 9]], **OPTIONS)
    assert session.generate([[8], [9]], **OPTIONS).sequences == fresh.sequences


def test_device_memory_is_given_back(model, emulator):
    gc.collect()
    before = emulator.allocated_bytes(), emulator.pinned_bytes()
    session = model.session(2)
    session.generate([[5], [6, 7]], **OPTIONS)
    assert emulator.allocated_bytes() > before[0]
    del session
    gc.collect()
    assert (emulator.allocated_bytes(), emulator.pinned_bytes()) == before


def test_errors_are_types_of_their_own():
    assert issubclass(gesso.CudaError, RuntimeError)
