"""What the soft embedding leaves out: nothing beside float weights, little beside weights made of integers, and nothing
with exact_soft_embedding. Nothing means less than float32 can show."""

import numpy as np
import pytest

import gesso
from gesso.files.presets import stays_float32
from python.command_line import run
from python.expect import raises
from python.tiny_model import tiny_model

READERS = ("self_cond_gate.weight", "self_cond_up.weight")  # they multiply the soft embedding


def typed(choose):
    """Types for tiny_model: choose(name), F32 where that is None or must be."""
    return lambda name, shape: "F32" if stays_float32(name, shape) else choose(name) or "F32"


# The type of each weight, and whether the soft embedding leaves out anything.
MIXTURES = {
    "F32": (lambda name: None, False),
    "BF16": (lambda name: "BF16", False),
    "Q8_0": (lambda name: "Q8_0", True),
    "Q4_0, embedding F16": (lambda name: "F16" if name == "token_embd.weight" else "Q4_0", True),
    "embedding Q8_0": (lambda name: "Q8_0" if name == "token_embd.weight" else None, False),
    "all but the readers Q8_0": (lambda name: None if name in READERS else "Q8_0", False),
    "one reader Q8_0": (lambda name: "Q8_0" if name == READERS[0] else None, False),
    "only the readers Q8_0": (lambda name: "Q8_0" if name in READERS else None, True),
    "attention Q8_0": (lambda name: "Q8_0" if ".attn_" in name else None, False),
    "experts BF16, others Q8_0": (lambda name: "BF16" if "_exps" in name else "Q8_0", True),
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        name: tiny_model(folder / f"{i}.gguf", types=typed(choose))
        for i, (name, (choose, _)) in enumerate(MIXTURES.items())
    }


def second_step(path, **options):
    """The logits of a step that is conditioned on spread probabilities."""
    model = gesso.load(path, "cpu", **options)
    session, rng = model.session(), np.random.default_rng(4)
    session.encode([20, 30, 40])
    z = rng.normal(0, 3, (1, model.config.canvas_length, model.config.vocab_size)).astype(np.float32)
    return session.denoise(np.arange(model.config.canvas_length), z)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_what_leaves_out_tokens(paths, mixture):
    """Where nothing is left out, exact_soft_embedding does not change a bit."""
    default, exact = (second_step(paths[mixture], exact_soft_embedding=exact) for exact in (False, True))
    assert (default.tobytes() != exact.tobytes()) == MIXTURES[mixture][1]


@pytest.mark.parametrize("mixture", ["F32", "BF16"])
def test_float_weights_compute_as_with_f32(paths, mixture):
    assert np.abs(second_step(paths[mixture]) - second_step(paths[mixture], activations="f32")).max() <= 1e-4


def test_f32_is_exact_without_the_option(paths):
    default, exact = (second_step(paths["Q8_0"], activations="f32", exact_soft_embedding=x) for x in (False, True))
    assert default.tobytes() == exact.tobytes()


def entropies(path, **options):
    """The mean entropy of each step of a generation. Only its soft embeddings carry what is left out."""
    found = []
    model = gesso.load(path, "cpu", **options)
    model.generate(
        [20, 30, 40], max_new_tokens=16, t_min=0.9, t_max=1.0, on_step=lambda x: found.append(x.mean_entropy)
    )
    return found


@pytest.mark.parametrize(("mixture", "differs"), [("F32", False), ("Q8_0", True)])
def test_generations(paths, mixture, differs):
    default, exact = entropies(paths[mixture]), entropies(paths[mixture], exact_soft_embedding=True)
    assert len(default) > 2
    assert default[0] == exact[0]  # the first step has no soft embedding
    assert (default != exact) == differs


@pytest.mark.parametrize("value", [1, 0, None, "yes"])
def test_only_true_and_false(paths, value):
    with raises(TypeError, "exact_soft_embedding: expected True or False, got"):
        gesso.load(paths["F32"], exact_soft_embedding=value)


def test_command(paths):
    path, options = paths["Q8_0"], ("--max-new-tokens", "8", "--device", "cpu", "--exact-soft-embedding")
    status, out, err = run("run", str(path), "hi", "--raw", *options)
    assert status == 0, err
    expected = gesso.load(path, "cpu", exact_soft_embedding=True).generate("hi", max_new_tokens=8).texts[0]
    assert out.rstrip("\n") == expected
