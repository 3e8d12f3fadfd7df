"""What NVIDIA's tools are shown: a range for each op, those of a denoising step within a range of the step."""

import pytest

import gesso
from cuda.models import GOLDEN


@pytest.fixture
def ranges(emulator):
    """Of everything since the last call: "step/linear", in the order in which they were opened."""
    emulator.record_ranges(True)
    emulator.take_ranges()
    yield emulator.take_ranges
    emulator.record_ranges(False)


def test_ops_lie_within_the_step_that_they_belong_to(load, emulator, ranges):
    model = load(GOLDEN / "mixed.gguf")
    session = model.session()
    session.encode([[5, 6, 7]])
    encoded = ranges()
    assert {"embed", "linear", "attention full", "attention sliding", "rms_norm"} <= set(encoded)
    assert not any("/" in path for path in encoded)  # no op is within another, or within a step
    steps = []
    options = {"max_new_tokens": 1, "max_denoising_steps": 4, "confidence_threshold": 0.0}
    session.generate(on_step=lambda event: steps.append(ranges()), **options)
    for step in steps:
        assert step.count("step") == 1
    ops = [path for path in steps[0] if path.startswith("step/")]
    assert len(ops) > model.config.num_layers
    assert "step/attention full" in ops
    assert [path for path in steps[1] if path.startswith("step/")] == ops  # recorded: the same ops in the same order
    for step in steps[2:]:  # played back: one piece of work, which is the step
        assert not any(path.startswith("step/") for path in step)
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
