"""One result type: what became of a sequence, as plain data."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, fields, replace
from typing import get_args

import numpy as np
import pytest

import gesso
from gesso import ToolCall, Usage, _native, parse_reply
from gesso.reply import decode_reply
from gesso.result import FinishReason, Result
from python.tiny_model import tiny_model

CANVAS = 8  # the length of the tiny model's canvas
TWO = {"max_new_tokens": 2 * CANVAS, "max_denoising_steps": 3, "end_token_ids": [], "confidence_threshold": 0.0}
SAID = 'a<|tool_call>call:f{x:[1,null],y:<|"|>é<|"|>}<tool_call|>'


@pytest.fixture(scope="module")
def output(model):
    return model.generate([[5], [6, 8], [9]], seed=[3, 4, 2**64 - 1], **TWO)


@pytest.fixture(scope="module")
def calling(output):
    """A result whose reply has a tool call."""
    return replace(output[0], reply=parse_reply(SAID))


# The sequence of results


def test_an_output_is_a_sequence_of_results(output):
    assert isinstance(output, Sequence) and len(output) == 3
    assert all(type(result) is gesso.Result for result in output)
    assert output[-1] is output[2] is list(output)[2]
    assert output[1:] == (output[1], output[2]) and output[::-1] == tuple(reversed(output))
    assert output.index(output[1]) == 1 and output[2] in output
    with pytest.raises(IndexError):
        output[3]


def test_the_plural_views_are_those_of_the_results(output):
    assert output.sequences == [result.ids for result in output]
    assert output.texts == [result.text for result in output]
    assert output.replies == [result.reply for result in output]
    assert all(a is result.canvases for a, result in zip(output.canvases, output, strict=True))
    assert output.denoising_steps == [result.denoising_steps for result in output] == [[3, 3]] * 3
    assert output.tokens_per_forward == [result.tokens_per_forward for result in output]
    for view in (output.sequences, output.texts, output.replies, output.canvases, output.denoising_steps):
        assert type(view) is list and len(view) == 3


def test_each_result_is_that_of_its_sequence(model, output):
    for prompt, seed, result in zip([[5], [6, 8], [9]], [3, 4, 2**64 - 1], output, strict=True):
        assert result == model.generate(prompt, seed=seed, **TWO)[0]
        assert result.seed == seed and result.canvases.shape == (2, CANVAS) and result.canvases.dtype == np.int32
        assert result.canvases.reshape(-1).tolist() == result.ids
        assert result.text == model.tokenizer.decode(result.ids)
        assert result.reply == decode_reply(model.tokenizer, result.ids)


def test_one_seed_is_that_of_all_sequences(model):
    assert [result.seed for result in model.generate([[5], [6]], seed=9, max_new_tokens=1)] == [9, 9]
    assert model.generate([5], max_new_tokens=1)[0].seed == 0


def test_a_model_without_a_tokenizer_gives_ids_alone(tmp_path):
    out = gesso.load(tiny_model(tmp_path / "ids.gguf", tokenizer=False)).generate([[5], [6]], **TWO)
    assert (out.texts, out.replies) == (None, None)
    assert [(result.text, result.reply, len(result.ids)) for result in out] == [(None, None, 2 * CANVAS)] * 2
    assert pickle.loads(pickle.dumps(out)) == out and out[0].to_dict()["reply"] is None


# Plain data


def test_results_are_compared_by_all_they_hold(output):
    result = output[0]
    other_canvases = result.canvases.copy()
    other_canvases[1, 7] += 1
    assert result == copy.deepcopy(result) and result != "result" and result != output[1]
    changes = {
        "ids": [*result.ids, 5],
        "text": None,
        "reply": None,
        "canvases": other_canvases,
        "denoising_steps": [3, 2],
        "finish_reason": "deadline",
        "usage": replace(result.usage, cached_tokens=1),
        "seed": 4,
        "tokens_per_forward": 0.5,
    }
    assert changes.keys() == {entry.name for entry in fields(result)}
    for name, value in changes.items():
        assert replace(result, **{name: value}) != result, name
    assert replace(result, canvases=result.canvases[:1]) != result
    with pytest.raises(FrozenInstanceError):
        result.seed = 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(result)


def test_outputs_are_compared_but_for_their_timings(model, output):
    again = model.generate([[5], [6, 8], [9]], seed=[3, 4, 2**64 - 1], **TWO)
    assert again == output and again.timings.step_ms != output.timings.step_ms
    assert replace(output, stopped=True) != output and replace(output, results=output[:2]) != output


@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_results_travel(output, calling, travel):
    assert travel(output) == output and travel(output[0]) == output[0] and travel(calling) == calling
    timings = travel(output).timings
    assert timings.step_ms == output.timings.step_ms and repr(timings) == repr(output.timings)


def test_a_result_becomes_json(output, calling):
    for result in (*output, calling):
        data = result.to_dict()
        assert json.loads(json.dumps(data)) == data
        assert data.keys() == {entry.name for entry in fields(result)}
        assert data["canvases"] == result.canvases.tolist()
        assert (data["ids"], data["text"], data["seed"]) == (result.ids, result.text, result.seed)
    assert output[1].to_dict()["usage"] == {
        "prompt_tokens": 2,
        "cached_tokens": 0,
        "completion_tokens": 16,
        "total_tokens": 18,
    }
    call = {"name": "f", "arguments": {"x": [1, None], "y": "é"}, "error": None, "repaired": False}
    call["raw"] = 'call:f{x:[1,null],y:<|"|>é<|"|>}'
    assert calling.reply.tool_calls == [ToolCall(**call)]
    assert calling.to_dict()["reply"] == {"thought": "", "text": "a", "tool_calls": [call]}


# Why it ends


def reasons(out: gesso.GenerationOutput) -> list[str]:
    return [result.finish_reason for result in out]


def test_the_reasons_are_those_of_the_library():
    assert list(get_args(FinishReason)) == [reason.name for reason in _native.FinishReason]


def test_an_end_token_stops_a_sequence(model):
    options = TWO | {"end_token_ids": [9]}
    out = model.generate([[5], [6]], pinned=[{2: 9}, None], **options)
    assert out[0].finish_reason == "stop" and out[0].usage.completion_tokens == len(out[0].ids) <= 2
    pinned = [[{0: 9}], [dict.fromkeys(range(CANVAS), 11)] * 2]
    assert reasons(model.generate([[5], [6]], pinned=pinned, **options)) == ["stop", "length"]


def test_a_stopped_sequence_says_so_though_a_callback_ended_the_batch(model):
    options = TWO | {"end_token_ids": [9]}
    pinned = [[{0: 9}], [dict.fromkeys(range(CANVAS), 11)]]
    out = model.generate([[5], [6]], pinned=pinned, on_canvas=lambda event: False, **options)
    assert out.stopped and reasons(out) == ["stop", "cancelled"]


@pytest.mark.parametrize(
    ("canvas", "step", "reason"),
    [
        (0, 0, "cancelled"),
        (0, 2, "cancelled"),  # the second canvas is missing
        (1, 1, "cancelled"),  # the second canvas is cut short
        (1, 2, "length"),  # nothing is missing
    ],
)
def test_a_step_that_ends_a_sequence_early_cancels_it(model, canvas, step, reason):
    out = model.generate([5], on_step=lambda event: (event.canvas, event.step) != (canvas, step), **TWO)
    assert out.stopped and reasons(out) == [reason]
    assert out[0].denoising_steps == [3] * canvas + [step + 1]


def test_a_request_without_a_canvas(model):
    """Its array has no rows, and columns like any other."""
    with gesso.Engine(model) as engine:
        request = engine.submit([5], max_denoising_steps=2**30, confidence_threshold=0.0)  # its canvas never settles
        request.cancel()
        result = request.result()
    assert (result.finish_reason, result.ids, result.denoising_steps) == ("cancelled", [], [])
    for each in (result, pickle.loads(pickle.dumps(result))):
        assert each.canvases.shape == (0, CANVAS) and each.canvases.dtype == np.int32
    assert json.loads(json.dumps(result.to_dict()))["canvases"] == []


def test_a_canvas_that_ends_a_sequence_early_cancels_it(model):
    for canvas, reason in ((0, "cancelled"), (1, "length")):
        out = model.generate([5], on_canvas=lambda event, last=canvas: event.canvas < last, **TWO)
        assert out.stopped and reasons(out) == [reason]
    assert reasons(model.generate([5], **TWO)) == ["length"]


def test_a_settled_canvas_is_whole_though_its_neighbour_is_cut_short(model):
    """All positions of the first sequence are pinned, so its canvas settles in the second step."""
    options = {"max_new_tokens": CANVAS, "max_denoising_steps": 9, "end_token_ids": [], "confidence_threshold": 1e-6}
    pinned = [dict.fromkeys(range(CANVAS), 11), None]
    out = model.generate([[5], [6]], pinned=pinned, on_step=lambda event: event.step < 4, **options)
    assert out.denoising_steps == [[2], [5]] and reasons(out) == ["length", "cancelled"]


# What it took


def test_the_usage_of_a_fresh_session(output):
    assert [result.usage for result in output] == [Usage(n, 0, 2 * CANVAS) for n in (1, 2, 1)]
    assert output[1].usage.total_tokens == 2 + 2 * CANVAS


def test_the_usage_of_a_session_that_goes_on(model):
    session = model.session()
    session.encode([5, 6, 8])
    assert session.generate([8, 9], **TWO)[0].usage == Usage(5, 3, 2 * CANVAS)
    # The last canvas is not encoded yet.
    assert session.generate([8], **TWO)[0].usage == Usage(5 + 2 * CANVAS + 1, 5 + CANVAS, 2 * CANVAS)
    session.rewind(4)
    assert session.generate([8], **TWO)[0].usage == Usage(5, 4, 2 * CANVAS)


def test_results_are_made_of_one_native_result_and_the_tokenizer(model):
    options = _native.GenerationOptions(TWO | {"seed": [3]})
    native = _native.Session(model.native, 1).generate([[5]], options)
    (made,) = (Result.from_native(result, CANVAS, model.tokenizer) for result in native.results)
    assert made == model.generate([5], seed=3, **TWO)[0]
    assert Result.from_native(native.results[0], CANVAS, None) == replace(made, text=None, reply=None)
