"""Whole generations against the reference's own loop, with the same draws. Tokens, canvases and step counts must be
equal."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the parity tests compare with transformers, which needs torch")
pytest.importorskip("transformers", reason="the parity tests compare with transformers")

import gesso  # noqa: E402
from parity import hf_reference, random_models  # noqa: E402

# Two float32 implementations differ by about 1e-5. A decision that is closer than this bound may go either way in the
# reference itself. So a generation with such a decision is not compared.
UNDECIDED = 5e-5


def random_options(rng: np.random.Generator, recipe: random_models.Recipe, num_canvases: int) -> dict:
    """Options of both generate() functions. Several ids are end tokens, so that ends come up inside canvases."""
    t_min = round(float(rng.uniform(0.1, 0.7)), 3)
    return {
        "max_new_tokens": num_canvases * recipe.canvas_length,  # the reference rounds up to whole canvases
        "max_denoising_steps": int(rng.choice([1, 5, 12, 16, 24], p=[0.05, 0.15, 0.3, 0.3, 0.2])),
        "entropy_bound": round(float(rng.choice([0.05, 0.1, 0.5, 1.0, 3.0])), 3),
        "t_min": t_min,
        "t_max": t_min + round(float(rng.uniform(0.01, 0.6)), 3),
        "stability_threshold": int(rng.choice([0, 1, 2], p=[0.2, 0.5, 0.3])),
        "confidence_threshold": round(float(rng.choice([0.005, 0.05, 0.2, 0.4])), 3),
        "end_token_ids": rng.choice(recipe.vocab_size, int(rng.choice([1, 8, 16])), replace=False).tolist(),
    }


def models(seed: int, folder) -> tuple[random_models.Recipe, torch.nn.Module, gesso.Model]:
    recipe = random_models.settling_recipe(seed)
    model = random_models.build(recipe, eager=seed % 2 == 0)
    random_models.write_folder(model, folder)
    return recipe, model, random_models.gesso_model(folder, "gguf" if seed % 4 < 2 else "folder")


def random_prompts(rng: np.random.Generator, recipe: random_models.Recipe, lengths: list[int]) -> list[list[int]]:
    return [rng.integers(0, recipe.vocab_size - 1, length).tolist() for length in lengths]


def decided(model: torch.nn.Module, prompts: list[list[int]], options: dict, rng: np.random.Generator, report, **more):
    """Seeds, and the reference's generation for them, in which rounding errors decide nothing."""
    for _ in range(20):
        seeds = rng.integers(0, 2**64, len(prompts), dtype=np.uint64).tolist()
        theirs = hf_reference.generate(model, prompts, seeds=seeds, **options, **copy.deepcopy(more))
        if theirs.margin > UNDECIDED:
            report.keep_smallest("closest of all decisions", theirs.margin)
            return seeds, theirs
        report.count("generations not taken, as the reference was undecided somewhere")
    raise AssertionError("twenty undecided generations")


def check(ours: gesso.GenerationOutput, theirs: hf_reference.Generation, report, options: dict, row: int = 0) -> None:
    """All rows of `theirs` must equal the rows of `ours` from `row` on."""
    close = f"the closest decision was {theirs.margin:.1e} from going the other way; {options}"
    for i in range(len(theirs.sequences)):
        assert ours.denoising_steps[row + i] == theirs.denoising_steps[i], close
        assert np.array_equal(ours.canvases[row + i], theirs.canvases[i]), close
        assert ours.sequences[row + i] == theirs.sequences[i], close
        assert np.float32(ours.tokens_per_forward[row + i]) == np.float32(theirs.tokens_per_forward[i]), close
        steps = theirs.denoising_steps[i]
        report.count("canvases compared", len(steps))
        report.count("canvases that settled early", sum(n < options["max_denoising_steps"] for n in steps))
        report.count("texts that ended inside a canvas", len(theirs.sequences[i]) < theirs.canvases[i].size)


@pytest.mark.parametrize("seed", range(14))
def test_batch(seed, tmp_path, report):
    """Two canvases of each sequence of a batch. Sequences that settle or end early wait unchanged for the others."""
    recipe, model, ours = models(seed, tmp_path)
    rng = np.random.default_rng([3, seed])
    batch_size = int(rng.integers(1, 4))
    prompts = random_prompts(rng, recipe, [int(rng.integers(1, 40))] * batch_size)
    options = random_options(rng, recipe, num_canvases=2)
    seeds, theirs = decided(model, prompts, options, rng, report)
    check(ours.generate(prompts, seed=seeds, **options), theirs, report, options)


@pytest.mark.parametrize("seed", range(14, 20))
def test_ragged_batch(seed, tmp_path, report):
    """Prompts of different lengths in one batch. Each row is compared with the reference's generation for it alone."""
    recipe, model, ours = models(seed, tmp_path)
    rng = np.random.default_rng([4, seed])
    prompts = random_prompts(rng, recipe, rng.integers(1, 50, 3).tolist())
    options = random_options(rng, recipe, num_canvases=2)
    alone = [decided(model, [prompt], options, rng, report) for prompt in prompts]
    out = ours.generate(prompts, seed=[seeds[0] for seeds, _ in alone], **options)
    for row, (_, theirs) in enumerate(alone):
        check(out, theirs, report, options, row)


@pytest.mark.parametrize("seed", range(20, 24))
def test_warm_start(seed, tmp_path, report):
    """The caller's ids replace the noise of the first canvas. The second canvas starts from noise."""
    recipe, model, ours = models(seed, tmp_path)
    rng = np.random.default_rng([5, seed])
    prompts = random_prompts(rng, recipe, [11, 11])
    canvas = rng.integers(0, recipe.vocab_size, (2, recipe.canvas_length))
    options = random_options(rng, recipe, num_canvases=2)
    seeds, theirs = decided(model, prompts, options, rng, report, canvas=canvas)
    check(ours.generate(prompts, seed=seeds, canvas=canvas, **options), theirs, report, options)


@pytest.mark.parametrize("seed", range(24, 32))
def test_two_turns(seed, tmp_path, report):
    """A session goes on after a generation. The reference's cache then lacks the last canvas, and an end token does not
    belong to the text. So the test puts what the cache lacks in front of the second turn."""
    recipe, model, ours = models(seed, tmp_path)
    rng = np.random.default_rng([6, seed])
    turns = random_prompts(rng, recipe, rng.integers(1, 30, 2).tolist())
    options = [random_options(rng, recipe, num_canvases) for num_canvases in (2, 1)]
    session = ours.session()

    seeds, theirs = decided(model, turns[:1], options[0], rng, report)
    check(session.generate(turns[0], seed=seeds, **options[0]), theirs, report, options[0])
    assert session.ids == [turns[0] + theirs.sequences[0]]

    last_canvas = theirs.sequences[0][(len(theirs.canvases[0]) - 1) * recipe.canvas_length :]
    seeds, again = decided(model, [last_canvas + turns[1]], options[1], rng, report, cache=theirs.cache)
    check(session.generate(turns[1], seed=seeds, **options[1]), again, report, options[1])
    assert session.ids == [turns[0] + theirs.sequences[0] + turns[1] + again.sequences[0]]


def test_defaults(tmp_path):
    """gesso's options where neither the caller nor the checkpoint gives any are those of the reference."""
    _, model, ours = models(0, tmp_path)
    theirs = model.generation_config._get_default_generation_params()
    config = ours.config
    assert config.entropy_bound == theirs["sampler_config"].entropy_bound
    for name in ("max_denoising_steps", "t_min", "t_max", "stability_threshold", "confidence_threshold"):
        assert getattr(config, name) == theirs[name], name


def test_enough_was_compared(request, report):
    """The random cases must not all be easy."""
    if sum(item.path == request.path for item in request.session.items) < 34:
        pytest.skip("only some of the tests of this file were asked for")
    totals = report.totals
    assert totals["canvases compared"] >= 50
    assert totals["canvases that settled early"] >= 25
    assert totals["texts that ended inside a canvas"] >= 10
