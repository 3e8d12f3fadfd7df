"""Model.generate_many: any number of prompts, in their order, with the texts of `generate`."""

from __future__ import annotations

import gc
import itertools
import sys
import threading

import numpy as np
import pytest

import gesso
from python.expect import raises
from python.tiny_model import tiny_model

C = 8  # the canvas length of the tiny model
OPTIONS = {"max_new_tokens": 2 * C, "end_token_ids": []}
FOREVER = {"max_new_tokens": 1, "max_denoising_steps": 2**30, "confidence_threshold": 0.0}  # no canvas settles


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A model with canvases so long that the passes of the CPU have two places: four rows are under way."""
    path = tiny_model(tmp_path_factory.mktemp("narrow") / "narrow.gguf", canvas_length=128, max_denoising_steps=2)
    model = gesso.load(path)
    with gesso.Engine(model) as engine:
        assert engine.max_running == 2
    return model


def same(result, expected):
    """Whether two results are equal in all but what was found in the prefix cache."""
    return np.array_equal(result.canvases, expected.canvases) and (
        (result.text, result.denoising_steps, result.seed, result.finish_reason)
        == (expected.text, expected.denoising_steps, expected.seed, expected.finish_reason)
    )


def test_texts_and_order(model):
    """The prompts are short and long, and the texts have one to three canvases."""
    rng = np.random.default_rng(0)
    prompts = [rng.integers(8, 300, 1 + 7 * i % 40).tolist() for i in range(80)]
    results = list(model.generate_many(prompts, seed=range(80), max_new_tokens=3 * C))
    alone = [model.generate(prompt, seed=i, max_new_tokens=3 * C)[0] for i, prompt in enumerate(prompts)]
    assert len(results) == 80 and all(map(same, results, alone))


@pytest.mark.parametrize("prompts", [["the", "a"], ("the", "a"), np.array([[9, 10], [11, 12]]), {9: 1}.keys()])
def test_kinds_of_prompts(model, prompts):
    given = list(prompts)
    results = list(model.generate_many(prompts, **OPTIONS))
    if isinstance(given[0], int):
        assert [type(result) for result in results] == [TypeError]
    else:
        assert all(map(same, results, model.generate(given, **OPTIONS)))


def test_no_prompts(model):
    assert list(model.generate_many([])) == []
    assert list(model.generate_many(iter([]), seed=[])) == []


def test_bad_rows(model):
    """Each gives its exception in its place."""
    good = model.generate([9], **OPTIONS)[0]
    rows = [[9], "", [9], [10**6], [-1], 3.5, None, [9] * 600, "\ud800", [], {"a": 1}, [9]]
    results = list(model.generate_many(rows, **OPTIONS))
    wrong = [type(result) if isinstance(result, Exception) else None for result in results]
    argument = gesso.ArgumentError
    assert wrong == [
        None, argument, None, argument, argument, TypeError, TypeError, argument, argument, argument, TypeError, None
    ]  # fmt: skip
    assert all(same(result, good) for result in results if isinstance(result, gesso.Result))
    assert all(error.__traceback__ is None for error in results if isinstance(error, Exception))


def test_numbers_that_are_not_finite(tmp_path):
    """A weight is NaN. Every row says so, one after the other."""
    path = tiny_model(tmp_path / "nan.gguf")
    content = bytearray(path.read_bytes())
    content[-4:] = np.float32("nan").tobytes()  # of the last tensor, rope_freqs
    path.write_bytes(content)
    results = list(gesso.load(path).generate_many([[9], [10, 11], [12]], **OPTIONS))
    assert [type(result) for result in results] == [gesso.NumericsError] * 3


def test_seeds(model):
    prompts = [[9]] * 3
    alone = [model.generate([9], seed=seed, **OPTIONS)[0] for seed in range(5, 8)]
    for seeds in ([5, 6, 7], iter([5, 6, 7]), itertools.count(5), np.arange(5, 8), range(5, 100)):
        assert all(map(same, model.generate_many(prompts, seed=seeds, **OPTIONS), alone))
    assert all(same(result, alone[1]) for result in model.generate_many(prompts, seed=6, **OPTIONS))
    assert all(same(result, alone[1]) for result in model.generate_many(prompts, seed=np.int64(6), **OPTIONS))


def test_seeds_that_are_wrong(model):
    with raises(gesso.ArgumentError, "seed: expected one for each of 3 prompts, got 2"):
        model.generate_many([[9]] * 3, seed=[1, 2])
    results = model.generate_many(iter([[9]] * 3), seed=[1, 2], **OPTIONS)
    with raises(gesso.ArgumentError, "seed: expected one for each prompt"):
        list(results)
    first, second, third = model.generate_many([[9]] * 3, seed=[1, "2", 2**64], **OPTIONS)
    assert isinstance(first, gesso.Result) and isinstance(second, TypeError) and isinstance(third, ValueError)


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"prompts": "the"}, TypeError, "prompts"),
        ({"prompts": [9, 10]}, TypeError, "prompts"),
        ({"prompts": b"the"}, TypeError, "prompts"),
        ({"prompts": 5}, TypeError, "prompts"),
        ({"prompts": {"a": 1}}, TypeError, "prompts"),
        ({"seed": "5"}, TypeError, "seed"),
        ({"prompts": np.array(7)}, TypeError, "prompts: expected an iterable"),
        ({"seed": 1.5}, TypeError, "seed"),
        ({"seed": 1.5}, TypeError, "seed: expected an int, or an iterable with one for each prompt, got float"),
        ({"seed": np.array(7)}, TypeError, "seed: expected an int, or an iterable .* got ndarray array"),
        ({"seed": 2**64}, ValueError, "seed"),
        ({"max_new_token": 5}, TypeError, "generate_many.*max_new_token"),
        ({"max_new_tokens": "5"}, TypeError, "max_new_tokens"),
        ({"max_new_tokens": 0}, ValueError, "max_new_tokens"),
        ({"max_new_tokens": 513}, ValueError, "max_new_tokens"),
        ({"pinned": {8 * 32: 9}}, ValueError, "pinned"),
        ({"canvas": [9]}, ValueError, "canvas"),
        ({"on_step": print}, TypeError, "on_step"),
    ],
)
def test_what_is_wrong_for_all_rows_raises_at_once(model, arguments, error, name):
    with raises(error, name):
        model.generate_many(**({"prompts": [[9]]} | arguments))


def test_bounded_look_ahead(narrow):
    """Four rows are under way, and one more prompt is taken for each result."""
    taken = []

    def prompts():
        for i in range(20):
            taken.append(i)
            yield [9 + i]

    results = narrow.generate_many(prompts(), max_new_tokens=1)
    assert taken == []
    for i, _ in enumerate(results):
        assert i < len(taken) <= i + 4
    assert len(taken) == 20


@pytest.mark.parametrize("second", [[10], ""])
def test_a_row_that_is_done_comes_before_the_next_prompt_is_asked_for(narrow, monkeypatch, second):
    requests, asked = [], []

    class Watched(gesso.Engine):
        def submit(self, *arguments, **options):
            requests.append(super().submit(*arguments, **options))
            return requests[-1]

    def wait_for_all():
        assert all(request.wait(60) for request in requests)

    def prompts():
        yield [9]
        wait_for_all()
        yield second
        asked.append("third")
        yield [11]

    monkeypatch.setattr(sys.modules["gesso.stream"], "Engine", Watched)
    results = narrow.generate_many(prompts(), max_new_tokens=1)
    assert isinstance(next(results), gesso.Result) and asked == []
    wait_for_all()
    assert isinstance(next(results), gesso.ArgumentError if second == "" else gesso.Result) and asked == []
    assert isinstance(next(results), gesso.Result) and asked == ["third"]
    assert list(results) == []


def num_threads():
    with open("/proc/self/task/../status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Threads"))


def broken(values, error):
    yield from values
    raise error


@pytest.mark.parametrize(
    ("prompts", "seeds", "error", "message"),
    [
        (lambda: broken([[9], "", [10]], LookupError("no more")), lambda: 5, LookupError, "no more"),
        (lambda: [[9], "", [10], [11]], lambda: broken([5, 5, 5], OSError("no seed")), OSError, "no seed"),
        (lambda: [[9], "", [10], [11]], lambda: iter([5, 5, 5]), gesso.ArgumentError, "seed: expected one for each"),
        (lambda: broken([[9], "", [10]], StopIteration()), lambda: 5, RuntimeError, "StopIteration"),
    ],
)
def test_the_rows_in_front_come_before_what_prompts_or_seeds_raise(model, prompts, seeds, error, message):
    before, rows = num_threads(), []
    with raises(error, message):
        rows.extend(model.generate_many(prompts(), seed=seeds(), **OPTIONS))  # keeps those that came
    first, second, third = rows
    assert isinstance(second, gesso.ArgumentError)
    for row, prompt in ((first, [9]), (third, [10])):
        assert same(row, model.generate(prompt, seed=5, **OPTIONS)[0])
    assert num_threads() <= before


def test_ctrl_c_in_the_prompts_ends_at_once(model):
    before = num_threads()
    with pytest.raises(KeyboardInterrupt):
        list(model.generate_many(broken([[9], [10]], KeyboardInterrupt()), **FOREVER))
    assert num_threads() <= before  # the engine's thread has ended, though its requests would never end


@pytest.mark.parametrize("how", ["close", "del"])
def test_leaving_early(model, how):
    closed = threading.Event()

    def prompts():
        try:
            yield [9]
            while True:
                yield [10] * 20
        finally:
            closed.set()

    before = num_threads()
    results = model.generate_many(prompts(), max_new_tokens=4 * C)
    assert isinstance(next(results), gesso.Result)
    assert num_threads() > before
    if how == "close":
        results.close()
    del results
    gc.collect()
    assert closed.is_set() and num_threads() == before
