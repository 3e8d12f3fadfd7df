"""Generations against a plain Python loop over session.denoise: pinned positions, warm starts, stopping, commits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gesso
from parity import draws

GOLDEN = Path(__file__).parents[1] / "golden"
OPTIONS = {
    "max_denoising_steps": 12,
    "entropy_bound": 0.5,
    "t_min": 0.3,
    "t_max": 0.8,
    "stability_threshold": 1,
    "confidence_threshold": 0.3,
    "end_token_ids": [7, 19],
}


def pin(ids: np.ndarray, pinned: dict[int, int]) -> np.ndarray:
    ids = ids.copy()
    for position, token in pinned.items():
        ids[position] = token
    return ids


def softmax(z: np.ndarray) -> np.ndarray:
    weights = np.exp(z.astype(np.float64) - z.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def denoise_canvas(session: gesso.Session, seed: int, start: Any, pinned: dict[int, int], options: dict) -> list[dict]:
    """The result of each step of one canvas. The session has one sequence; the canvas is behind it."""
    config, first, num_steps = session.model.config, session.length, options["max_denoising_steps"]
    shape = (seed, first, config.canvas_length)
    if start is None:
        start = draws.uniform_ids(*shape, 0, draws.INITIAL_CANVAS, config.vocab_size)
    canvas, z, steps = pin(np.array(start), pinned), None, []
    free = np.array([i not in pinned for i in range(config.canvas_length)])
    for step in range(num_steps):
        remaining = np.float32(num_steps - step) / np.float32(num_steps)
        temperature = np.float32(options["t_min"]) + np.float32(options["t_max"] - options["t_min"]) * remaining
        z = session.denoise(canvas, None if z is None else z[None])[0] / temperature
        p = softmax(z)
        entropies = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)
        sampled = (z + draws.gumbel(*shape, step, config.vocab_size)).argmax(axis=-1)
        argmax = pin(z.argmax(axis=-1), pinned)

        order = np.flatnonzero(free)[np.argsort(entropies[free], kind="stable")]
        spent_before = np.cumsum(entropies[order]) - entropies[order]
        accepted = ~free
        accepted[order[spent_before <= options["entropy_bound"]]] = True
        noise = draws.uniform_ids(*shape, step, draws.RENOISE, config.vocab_size)
        canvas = pin(np.where(accepted, sampled, noise), pinned)

        mean = entropies[free].mean() if free.any() else 0.0
        steps.append({"argmax": argmax, "accepted": accepted, "entropies": entropies, "mean": mean})
        last = [x["argmax"] for x in steps[-1 - options["stability_threshold"] :]]
        stable = len(last) > options["stability_threshold"] and all(np.array_equal(x, argmax) for x in last)
        if stable and mean < options["confidence_threshold"]:
            break
    return steps


def generate(model: gesso.Model, prompt: list[int], seed: int, pinned: list[dict], start: Any, options: dict):
    """Runs the Python loop. Returns the committed canvases, the steps of each canvas, and the session afterwards."""
    session = model.session()
    session.encode(prompt)
    canvases, steps = [], []
    for pins in pinned:
        steps.append(denoise_canvas(session, seed, start, pins, options))
        start, ids = None, steps[-1][-1]["argmax"].copy()
        ends = np.flatnonzero(np.isin(ids, options["end_token_ids"]))
        session.encode(ids[: ends[0]] if len(ends) else ids)
        if len(ends):
            ids[ends[0] + 1 :] = model.config.pad_token_id
        canvases.append(ids)
        if len(ends):
            break
    return canvases, steps, session


def check(model: gesso.Model, prompt: list[int], seed: int, pinned: list[dict], start: Any = None, **changes) -> int:
    """Runs the loop and gesso's generate, and compares them. Returns how many steps were compared."""
    options = OPTIONS | changes
    canvases, steps, session = generate(model, prompt, seed, pinned, start, options)
    events, committed = [], []
    out = model.generate(
        prompt,
        seed=seed,
        pinned=pinned,
        canvas=start,
        max_new_tokens=len(pinned) * model.config.canvas_length,
        on_step=events.append,
        on_canvas=committed.append,
        **options,
    )
    assert out.denoising_steps == [[len(x) for x in steps]]
    assert np.array_equal(out.canvases[0], canvases)
    assert out.sequences[0] == session.ids[0][len(prompt) :]
    num_tokens = sum(np.count_nonzero(ids != model.config.pad_token_id) for ids in canvases)
    assert out.tokens_per_forward == [num_tokens / sum(len(x) for x in steps)]
    assert [(e.canvas, e.step) for e in events] == [(i, j) for i, x in enumerate(steps) for j in range(len(x))]
    for event, step in zip(events, [step for x in steps for step in x], strict=True):
        assert np.array_equal(event.argmax, step["argmax"])
        assert np.array_equal(event.accepted, step["accepted"])
        np.testing.assert_allclose(event.entropies, step["entropies"], rtol=1e-5, atol=1e-5)
        assert event.mean_entropy == pytest.approx(step["mean"], rel=1e-5, abs=1e-5)
    for event, ids, x in zip(committed, canvases, steps, strict=True):
        assert np.array_equal(event.ids, ids) and event.denoising_steps == len(x) and event.sequence == 0
        assert event.finished == bool(np.isin(ids, options["end_token_ids"]).any())
    return len(events)


@pytest.fixture(params=["mixed", "q4_0", "single_layer"])
def model(request, load):
    return load(GOLDEN / f"{request.param}.gguf")


def random_pins(rng: np.random.Generator, model: gesso.Model, count: int) -> dict[int, int]:
    positions = rng.choice(model.config.canvas_length, count, replace=False)
    return {int(position): int(rng.integers(20, model.config.vocab_size)) for position in positions}


@pytest.mark.parametrize("seed", range(4))
def test_without_pins(model, seed):
    assert check(model, [4, 5, 6, 7], seed, [{}, {}]) > 1


@pytest.mark.parametrize("seed", range(6))
def test_pinned_positions(model, seed):
    rng = np.random.default_rng(seed)
    pinned = [random_pins(rng, model, int(rng.integers(1, 6))) for _ in range(2)]
    stability = int(rng.integers(0, 3))
    check(model, [9, 8], seed, pinned, entropy_bound=float(rng.uniform(0, 2)), stability_threshold=stability)


def test_a_pinned_position_spends_nothing(model):
    """All positions but one are pinned. The other one is accepted even with a bound of 0, since no entropy comes before
    it."""
    pins = dict.fromkeys(range(1, model.config.canvas_length), 30)
    out, events = [], []
    for bound in (0.0, 1e9):
        out.append(model.generate([3], pinned=pins, max_new_tokens=1, **OPTIONS | {"entropy_bound": bound}))
        model.generate([3], pinned=pins, max_new_tokens=1, on_step=events.append, **OPTIONS | {"entropy_bound": bound})
    assert np.array_equal(out[0].canvases, out[1].canvases)
    assert all(event.accepted.all() and event.mean_entropy == event.entropies[0] for event in events)


@pytest.mark.parametrize("stability_threshold", [0, 1, 3])
def test_everything_pinned(model, stability_threshold):
    """No position is uncertain. The canvas stops as soon as the stability rule allows, and is committed as given."""
    pins = {i: 20 + i for i in range(model.config.canvas_length)}
    assert check(model, [5], 0, [pins], stability_threshold=stability_threshold) == stability_threshold + 1
    out = model.generate([5], pinned=pins, max_new_tokens=len(pins), **OPTIONS | {"end_token_ids": []})
    assert out.sequences[0] == list(pins.values())


def test_a_pinned_end_token_ends(model):
    out = model.generate([5], pinned={3: 7}, max_new_tokens=500, **OPTIONS)
    assert 7 not in out.sequences[0] and len(out.sequences[0]) <= 3 and len(out.canvases[0]) == 1
    assert not out.canvases[0][0][4:].any()


def test_pins_of_one_sequence_leave_the_others_alone(model):
    options = OPTIONS | {"max_new_tokens": 2 * model.config.canvas_length, "seed": 3}
    pinned = [{0: 21, 4: 22}, {}], None, {2: 50}
    prompts = [[5, 6], [5, 6], [9, 9, 9]]
    together = model.generate(prompts, pinned=pinned, **options)
    for i, prompt in enumerate(prompts):
        alone = model.generate([prompt], pinned=[pinned[i]], **options)
        assert alone.sequences == [together.sequences[i]]
        assert np.array_equal(alone.canvases[0], together.canvases[i])
    assert together.canvases[0][0][[0, 4]].tolist() == [21, 22]
    assert together.canvases[2][0][2] == 50


@pytest.mark.parametrize("seed", range(3))
def test_warm_start(model, seed):
    rng = np.random.default_rng(seed)
    start = rng.integers(0, model.config.vocab_size, model.config.canvas_length).tolist()
    check(model, [4, 4], seed, [{}, {}], start)
    check(model, [4, 4], seed, [random_pins(rng, model, 3), {}], start)


def test_a_warm_start_with_the_noise_itself_changes_nothing(model):
    prompt, options = [11, 12, 13], OPTIONS | {"max_new_tokens": 2 * model.config.canvas_length, "seed": 2**64 - 1}
    noise = draws.uniform_ids(
        2**64 - 1, len(prompt), model.config.canvas_length, 0, draws.INITIAL_CANVAS, model.config.vocab_size
    )
    assert model.generate(prompt, canvas=noise, **options).sequences == model.generate(prompt, **options).sequences
