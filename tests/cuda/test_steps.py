"""What a denoising step costs beside the work of its kernels: so many launches, no allocation, one wait, one small copy
back. Later steps replay a graph."""

from itertools import pairwise

import numpy as np
import pytest

import gesso
from cuda.models import GOLDEN

# The kernels that a step of mixed.gguf launches, which has three layers. Each costs a GPU some microseconds. Where a
# change saves launches, this number becomes smaller.
LAUNCHES_OF_A_STEP = 51


@pytest.fixture
def counters(emulator):
    """A function that returns all counters as a dict."""
    names = ("num_allocations", "num_host_waits", "num_graph_launches", "bytes_to_host", "num_kernels_run")
    return lambda: {name: getattr(emulator, name)() for name in names}


def steps_of(model, batch_size, counters, num_steps=6):
    """How much the counters increase in each step of one canvas."""
    seen = []
    prompts = [[5 + i, 6] for i in range(batch_size)]
    options = {"max_new_tokens": 1, "max_denoising_steps": num_steps, "confidence_threshold": 0.0}
    model.generate(
        prompts, on_step=lambda e: seen.append(counters()) if e.sequence == batch_size - 1 else None, **options
    )
    return [{name: b[name] - a[name] for name in a} for a, b in pairwise(seen)]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_step(batch_size, load, counters):
    model = load(GOLDEN / "mixed.gguf")
    first, *later = steps_of(model, batch_size, counters)  # these are differences, so the first belongs to step 2
    assert first["num_graph_launches"] == 0
    results = 3 * 4 * batch_size * model.config.canvas_length  # entropy, argmax and draw of each position
    for step in later:
        assert step["num_graph_launches"] == 1
        assert step["num_host_waits"] == 1
        assert step["bytes_to_host"] == results
    for step in later[1:]:  # the step before recorded the graph
        assert step["num_allocations"] == 0
    assert {step["num_kernels_run"] for step in later} == {LAUNCHES_OF_A_STEP}


def launches_of_a_step(num_layers, vocab_size, num_packs=0):
    """How many kernels a replayed step has, if q, k and v have one type, and gate and up, and rows are no 4-bit floats.

    num_packs: kernels that only pack rows. They pack those of attention in layers whose heads are no multiple of 32
    wide. On 9.0 they pack those of the experts' down, too, unless they are int8: a row's largest value decides how
    they are rounded.

    A layer: q, k and v, the heads' norms, attention, its output; the norms of the residual; gate and up, down; router,
    choice of experts; the experts' gate and up, their down; the layer's end.
    Embedding: the ids; norm, gate and up, and down of self-conditioning; the sum, its norm, the first layer's norm.
    The head, for each 8192 tokens: product, statistics, soft embedding; and the packed rows, and the sum.
    """
    return 12 * num_layers + num_packs + 7 + 3 * -(-vocab_size // 8192) + 2


@pytest.mark.parametrize("architecture", [80, 90])
def test_launches_of_a_step(architecture, load, counters, emulator):
    emulator.set_architecture(architecture)
    model = load(GOLDEN / "q8_0.gguf")
    *_, step = steps_of(model, 1, counters)
    num_layers, num_narrow = len(model.config.layer_types), model.config.layer_types.count("sliding_attention")
    assert (model.config.head_dim, model.config.global_head_dim) == (16, 32)
    has_f16_rows = architecture == 90 and model.activations == "bf16"
    num_packs = num_narrow + (num_layers if has_f16_rows else 0)
    assert step["num_kernels_run"] == launches_of_a_step(num_layers, model.config.vocab_size, num_packs)
    # The 26B model, and the same on 9.0.
    assert (launches_of_a_step(30, 262144), launches_of_a_step(30, 262144, 30)) == (465, 495)


@pytest.mark.parametrize("count", [1, 3])
def test_a_pass_of_an_engine(count, load, counters):
    """The first pass encodes the prompts, too. The second one is the first of its kind, and the third is recorded."""
    model = load(GOLDEN / "mixed.gguf")
    options = {"max_new_tokens": 1, "max_denoising_steps": 8, "confidence_threshold": 0.0, "end_token_ids": []}
    seen = [counters()]
    with gesso.Engine(model, thread=False, max_running=count) as engine:
        for i in range(count):
            engine.submit([5 + i, 6], **options)
        while engine.run_once():
            seen.append(counters())
    passes = [{name: b[name] - a[name] for name in a} for a, b in pairwise(seen)]
    assert len(passes) == 8
    assert [each["num_graph_launches"] for each in passes] == [0, 0] + 6 * [1]
    assert {each["num_host_waits"] for each in passes} == {1}
    assert {each["num_allocations"] for each in passes[3:]} == {0}


def test_replayed_steps_are_those_that_were_recorded(load, emulator):
    """Step n of a generation, replayed where n > 2, equals the last step of a generation that stops after n steps."""
    model = load(GOLDEN / "q8_0.gguf")
    events = []
    options = {"max_new_tokens": 1, "max_denoising_steps": 5, "confidence_threshold": 0.0, "entropy_bound": 0.5}
    model.generate([3, 4, 5], seed=7, on_step=events.append, **options)
    again = []
    for count in range(1, 6):  # temperatures depend on max_denoising_steps alone, so each run is the same but cut short
        stopped = []

        def stop(event, count=count, stopped=stopped):
            stopped.append(event)
            return event.step + 1 < count

        model.generate([3, 4, 5], seed=7, on_step=stop, **options)
        again.append(stopped[-1])
    for a, b in zip(events, again, strict=True):
        assert np.array_equal(a.entropies, b.entropies) and np.array_equal(a.argmax, b.argmax)


def test_no_logits_in_device_memory(tmp_path, load, emulator):
    """The peak memory of a generation must stay far below one canvas x vocabulary tensor."""
    from python.tiny_model import tiny_model

    sizes = {"vocab_size": 40000, "canvas_length": 64, "tokenizer": False}
    model = load(tiny_model(tmp_path / "wide.gguf", **sizes))
    before = emulator.allocated_bytes()
    emulator.reset_peak_bytes()
    model.generate([5], max_new_tokens=1, max_denoising_steps=2)
    assert emulator.peak_bytes() - before < 0.75 * 4 * 64 * 40000


def test_settled_canvases_leave_the_batch(load):
    """The sequences of a batch settle at different steps. Each must come out as it does alone."""
    model = load(GOLDEN / "top_1.gguf")
    rng = np.random.default_rng(3)
    prompts = [rng.integers(0, model.config.vocab_size, n).tolist() for n in (3, 1, 17, 5)]
    options = {
        "max_new_tokens": 2 * model.config.canvas_length,
        "max_denoising_steps": 8,
        "entropy_bound": 3.0,
        "confidence_threshold": 1.0,
    }
    options["end_token_ids"] = []
    together = model.generate(prompts, seed=[1, 2, 3, 4], **options)
    alone = [model.generate([p], seed=[s], **options) for s, p in enumerate(prompts, 1)]
    assert [out.denoising_steps[0] for out in alone] == together.denoising_steps
    assert [out.sequences[0] for out in alone] == together.sequences
    assert len({tuple(steps) for steps in together.denoising_steps}) > 1


def test_sessions_of_one_model_are_apart(load):
    model = load(GOLDEN / "mixed.gguf")
    sessions = [model.session() for _ in range(2)]
    for i, session in enumerate(sessions):
        session.encode([5 + i, 6, 7])
    canvas = np.arange(model.config.canvas_length) % model.config.vocab_size
    interleaved = [session.denoise(canvas) for session in sessions]
    fresh = model.session()
    fresh.encode([5, 6, 7])
    assert np.array_equal(fresh.denoise(canvas), interleaved[0])
    assert not np.array_equal(interleaved[0], interleaved[1])
    assert gesso.devices()[1].used_bytes > 0
