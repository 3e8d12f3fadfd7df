"""A GPU's logits against the CPU's, on small models with every kind of layer and many types of weights."""

import numpy as np
import pytest

import gesso
from cuda.models import GOLDEN, problems, retyped

NAMES = sorted(path.stem for path in GOLDEN.glob("*.gguf"))


def random_case(model, lengths, seed=0):
    rng, config = np.random.default_rng(seed), model.config
    prompts = [rng.integers(0, config.vocab_size, length) for length in lengths]
    canvases = rng.integers(0, config.vocab_size, (len(lengths), config.canvas_length))
    z = rng.normal(0, 4, (*canvases.shape, config.vocab_size)).astype(np.float32)
    return prompts, canvases, z


def logits_of(model, prompts, canvases, z):
    session = model.session(len(prompts))
    session.encode(prompts)
    return np.stack([session.denoise(canvases), session.denoise(canvases, z)])


def check(path, load, activations, lengths):
    cpu, gpu = gesso.load(path, "cpu", activations="f32"), load(path)
    case = random_case(cpu, lengths)
    assert problems(cpu, activations, logits_of(gpu, *case), logits_of(cpu, *case)) == ""


@pytest.mark.parametrize("name", NAMES)
def test_golden_models(name, load, activations):
    check(GOLDEN / f"{name}.gguf", load, activations, [1, 9, 33])


@pytest.mark.parametrize("dtype", ["F16", "BF16", "Q5_0", "Q5_1", "Q4_0", "Q4_1", "IQ4_NL", "MXFP4"])
def test_types(tmp_path, dtype, load, activations):
    check(retyped(tmp_path / "typed.gguf", dtype), load, activations, [7, 20])


@pytest.mark.parametrize("arch", [80, 86, 89, 90, 100, 120, 121])
def test_architectures(tmp_path, arch, load, activations, emulator):
    """Each architecture chooses kernels of its own; all must give good logits."""
    emulator.set_architecture(arch)
    for dtype in ("Q8_0", "MXFP4"):
        check(retyped(tmp_path / f"{dtype}.gguf", dtype), load, activations, [11, 20])


def test_several_passes_and_rewinds(load, activations):
    """A prompt that is longer than a pass, in one piece and in chunks, and a rewind."""
    path = GOLDEN / "mixed.gguf"
    cpu, gpu = gesso.load(path, "cpu", activations="f32"), load(path)
    (prompt,), canvases, z = random_case(cpu, [300])
    expected = logits_of(cpu, [prompt], canvases, z)
    whole = logits_of(gpu, [prompt], canvases, z)
    session = gpu.session()
    for chunk in np.split(prompt, [100, 101, 290]):
        session.encode(chunk)
    session.encode(np.arange(20) % cpu.config.vocab_size)
    session.rewind(300)
    assert np.array_equal(np.stack([session.denoise(canvases), session.denoise(canvases, z)]), whole)
    assert problems(cpu, activations, whole, expected) == ""


def test_order_of_threads_does_not_matter(load, emulator):
    path = GOLDEN / "q8_0.gguf"
    case = random_case(gesso.load(path, "cpu", activations="f32"), [5, 40])
    results = []
    for seed in (0, 1, 2):
        emulator.set_seed(seed)
        results.append(logits_of(load(path), *case))
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])
