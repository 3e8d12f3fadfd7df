"""Memory goes back when the queue is done with it. CUDA does not promise that cudaFree waits; the emulator's does not.

Each test fails if a wait is missing: work that is still queued then finds its memory gone.
"""

import gc

import numpy as np
import pytest

import gesso
from cuda.models import GOLDEN

OPTIONS = {"max_new_tokens": 1, "max_denoising_steps": 4, "confidence_threshold": 0.0}


@pytest.fixture
def model(load):
    return load(GOLDEN / "mixed.gguf")


@pytest.fixture
def expect_no_failure(emulator):
    """A function that lets all work run, and shows what it did wrong."""

    def look(model):
        gc.collect()
        model.generate([5], **OPTIONS)  # takes memory, and waits for it
        assert emulator.take_failure() == ""

    return look


def test_growing_scratch_memory(model, expect_no_failure):
    """Each op of a session's first pass may need more than the one before."""
    canvas = np.arange(model.config.canvas_length) % model.config.vocab_size
    few, many = model.session(), model.session()
    for session in (few, many):
        session.encode([5, 6, 7])
    before = few.denoise(canvas)
    many.encode(np.arange(300) % model.config.vocab_size)
    many.rewind(0)
    many.encode([5, 6, 7])
    assert np.array_equal(many.denoise(canvas), before)
    expect_no_failure(model)


def test_scratch_memory_that_does_not_fit_beside_the_old_one(model, emulator, expect_no_failure):
    """What was outgrown lives until the queue is done with it, or until others need its place. So a pass either has all
    it needs, or says that it has not."""
    prompt = (np.arange(200) % model.config.vocab_size).tolist()
    expected = model.generate(prompt, **OPTIONS).sequences
    gc.collect()
    used, results = emulator.allocated_bytes(), []
    for room in range(1 << 20, 1 << 22, 1 << 19):
        emulator.set_total_bytes(used + room)
        try:
            results.append(model.generate(prompt, **OPTIONS).sequences)
        except MemoryError:
            results.append(None)
        assert emulator.allocated_bytes() == used
    assert results[-1] == expected and all(result in (None, expected) for result in results)
    emulator.set_total_bytes(1 << 40)
    expect_no_failure(model)


def test_loading_a_session_that_does_not_fit(model, emulator, expect_no_failure):
    """Memory ends with the second sequence, while rows of the first one are on their way to the GPU."""
    session = model.session(2)
    session.encode([[5] * 200, [6] * 200])
    saved = session.save()
    del session
    gc.collect()
    used, num_failed = emulator.allocated_bytes(), 0
    for room in range(0, 1 << 22, 1 << 16):
        emulator.set_total_bytes(used + room)
        try:
            gesso.Session.load(model, saved)
            break
        except MemoryError:
            num_failed += 1
        assert emulator.allocated_bytes() == used
    assert num_failed > 10
    emulator.set_total_bytes(1 << 40)
    expect_no_failure(model)


def test_moving_caches(model, expect_no_failure):
    """A cache that grows copies its rows, and gives up the old ones."""
    ids = (np.arange(700) * 7 % model.config.vocab_size).tolist()
    canvas = np.arange(model.config.canvas_length) % model.config.vocab_size
    grown, whole = model.session(), model.session()
    for first in range(0, len(ids), 100):
        grown.encode(ids[first : first + 100])
    whole.encode(ids)
    np.testing.assert_allclose(grown.denoise(canvas), whole.denoise(canvas), atol=0.2)
    expect_no_failure(model)


def test_a_fork_outlives_its_origin(model, expect_no_failure):
    """The rows are shared. Whoever appends first leaves them to the other, who is the last to give them back."""
    origin = model.session()
    origin.encode([5, 6, 7])
    fork = origin.fork()
    fork.encode([8])
    del origin
    gc.collect()
    assert fork.generate(**OPTIONS).sequences == model.generate([5, 6, 7, 8], **OPTIONS).sequences
    expect_no_failure(model)


@pytest.mark.parametrize("sequence", [0, 1])
def test_a_generation_that_is_stopped(model, expect_no_failure, sequence):
    """When a canvas ends, the soft embeddings of the others move up, behind the last pass."""

    def stop(event):
        return (event.sequence, event.step) != (sequence, 1)

    model.generate([[5], [6, 7], [8]], on_step=stop, **OPTIONS)
    expect_no_failure(model)


def test_a_request_that_ends_while_its_prompt_is_kept(model, expect_no_failure):
    """The prefix cache copies rows of the request's cache, which goes with the request."""
    prompt = (np.arange(3 * model.config.canvas_length + 2) % model.config.vocab_size).tolist()
    options = {"max_new_tokens": 1, "max_denoising_steps": 1}
    with gesso.Engine(model, thread=False) as engine:
        engine.submit(prompt, **options).result()
        again = engine.submit(prompt, **options).result()
        assert engine.counters().prefix_hits == 1
        expect_no_failure(model)
    assert again.ids == model.generate([prompt], **options).sequences[0]


def test_prefixes_that_are_forgotten_or_displaced(model, expect_no_failure):
    """Blocks and rings go while the copies to them, or from them, are still queued."""
    length = 4 * model.config.canvas_length
    prompts = [((np.arange(length) * step + step) % model.config.vocab_size).tolist() for step in (1, 3, 5, 1)]
    with gesso.Engine(model, thread=False, prefix_bytes=1 << 18) as engine:
        for prompt in prompts:
            request = engine.submit(prompt, **OPTIONS)
            engine.run_once()
            engine.forget_prefixes()
            request.result()
        for prompt in prompts:
            engine.submit(prompt, **OPTIONS).result()
        counters = engine.counters()
    assert counters.prefix_bytes <= 1 << 18
    expect_no_failure(model)


def test_an_engine_that_is_closed(model, expect_no_failure):
    engine = gesso.Engine(model, thread=False)
    engine.submit([5] * 40, **OPTIONS)
    engine.run_once()
    del engine
    expect_no_failure(model)
