"""What NVIDIA's tools are shown: a range for each op, those of a denoising step within a range of the step."""

import pytest

import gesso
from cuda.models import GOLDEN


@pytest.fixture
def ranges(emulator):
    """Returns the ranges that were opened since the last call, in their order, such as "step/linear"."""
    emulator.record_ranges(True)
    emulator.take_ranges()
    yield emulator.take_ranges
    emulator.record_ranges(False)


def test_ops_lie_within_the_step_that_they_belong_to(load, emulator, ranges):
    model = load(GOLDEN / "mixed.gguf")
    session = model.session()
    session.encode([[5, 6, 7]])
    encoded = ranges()
    assert {"embed", "linear", "attention sliding", "rms_norm"} <= set(encoded)
    assert not any("/" in path for path in encoded)  # no op lies within another, or within a step
    steps = []
    options = {"max_new_tokens": 1, "max_denoising_steps": 5, "confidence_threshold": 0.0}
    session.generate(on_step=lambda event: steps.append(ranges()), **options)
    # The first step has no self-conditioning. The second is the first of its kind. The third is recorded: the same ops
    # in the same order. The others are played back: one piece of work each.
    first, second, recorded, *played_back = steps
    for step in (first, second, recorded):
        assert step[0] == "step" and all(path.startswith("step/") for path in step[1:])
        assert {"step/embed", "step/attention full", "step/head_stats"} <= set(step)
    assert recorded == second != first
    assert played_back == [["step"]] * 2
    assert emulator.num_open_ranges() == 0


def test_an_error_closes_what_was_open(load, emulator, ranges):
    """Memory runs out between the ops of an encode: in the layer whose cache cannot grow."""
    session = load(GOLDEN / "mixed.gguf").session()
    session.encode([5, 6, 7])
    emulator.set_total_bytes(emulator.allocated_bytes() + 2000)
    with pytest.raises(MemoryError):
        session.encode([5] * 400)
    assert emulator.num_open_ranges() == 0


def test_nothing_on_the_cpu(emulator, ranges):
    gesso.load(GOLDEN / "mixed.gguf", device="cpu").generate([[5, 6]], max_new_tokens=1, max_denoising_steps=1)
    assert ranges() == []
