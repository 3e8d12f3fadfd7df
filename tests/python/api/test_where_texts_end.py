"""Where a text ends: after max_new_tokens, in front of an end token, and in front of a stop string.

Pinned positions decide here what the canvases hold.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

import gesso
from python.expect import raises
from python.tiny_model import EOS, VOCABULARY, tiny_model

C = 8  # the canvas length of the tiny model
ID = {token: i for i, token in enumerate(VOCABULARY)}
TURN = ID["<|turn>"]  # a special token: it adds no text


def writes(ids, num_canvases=None):
    """Options that make a model write these ids, canvas by canvas."""
    canvases = [dict(enumerate(ids[i : i + C])) for i in range(0, len(ids), C)]
    return {"pinned": canvases, "max_new_tokens": C * (num_canvases or len(canvases)), "max_denoising_steps": 1}


def text_of(*tokens):
    return [ID[token] for token in tokens]


ABC = text_of(*"abcdefghijklmnopqrstuvwx")  # three canvases


# max_new_tokens


@pytest.mark.parametrize("budget", [1, 7, 8, 9, 15, 16, 23, 24])
def test_the_budget_cuts_at_its_number(model, budget):
    session = model.session()
    (result,) = session.generate(
        [9], **writes(ABC) | {"max_new_tokens": budget, "pinned": writes(ABC[:budget])["pinned"]}
    )
    assert result.ids == ABC[:budget] and result.text == "abcdefghijklmnopqrstuvwx"[:budget]
    assert session.ids == [[9, *ABC[:budget]]] and session.length == 1 + budget
    assert result.canvases.shape == (-(-budget // C), C)  # they stay whole
    assert result.canvases.reshape(-1)[:budget].tolist() == result.ids
    assert result.finish_reason == "length" and result.usage.completion_tokens == budget


def test_the_budget_changes_nothing_in_front_of_it(model):
    """Canvases do not depend on it, since each is computed whole."""
    options = {"max_denoising_steps": 3, "end_token_ids": [], "seed": 5}
    (whole,) = model.generate([9, 10], max_new_tokens=3 * C, **options)
    for budget in (1, 8, 13, 20):
        (cut,) = model.generate([9, 10], max_new_tokens=budget, **options)
        assert cut.ids == whole.ids[:budget]
        assert np.array_equal(cut.canvases, whole.canvases[: len(cut.canvases)])


@pytest.mark.parametrize("extra", [0, 1, 5])
def test_a_session_goes_on_from_the_cut(model, extra):
    """It holds what a fresh session holds that got the same ids."""
    options = {"max_denoising_steps": 3, "end_token_ids": [], "seed": 5}
    session = model.session()
    (first,) = session.generate([9, 10], max_new_tokens=C + 3, **options)
    fresh = model.session()
    prompt = [9, 10, *first.ids, *range(20, 20 + extra)]
    again = session.generate([*range(20, 20 + extra)], max_new_tokens=C + 1, **options)
    assert again.canvases[0].tolist() == fresh.generate(prompt, max_new_tokens=C + 1, **options).canvases[0].tolist()
    assert session.ids == fresh.ids


@pytest.mark.parametrize(("end", "reason"), [(2, "stop"), (3, "stop"), (4, "length"), (7, "length")])
def test_the_budget_and_an_end_token(model, end, reason):
    """An end token right behind the budget counts: nothing of the text is missing."""
    ids = [*ABC[:end], EOS, *ABC[end : C - 1]]
    (result,) = model.generate([9], **writes(ids) | {"max_new_tokens": 3})
    assert (result.ids, result.finish_reason) == (ABC[: min(end, 3)], reason)
    assert result.canvases.tolist() == [[*ABC[:end], EOS, *[0] * (C - 1 - end)]]


def test_a_prompt_that_is_too_long_by_the_last_canvas(model):
    """The message says what would fit, and that fits."""
    room = model.config.max_position_embeddings
    for length, budget, fitting in ((room - 2 * C, 17, "max_new_tokens of at most 16"), (room - 9, 9, "at most 8")):
        with raises(
            gesso.ArgumentError, f"{length} tokens", f"; max_new_tokens of at most {fitting.split()[-1]} fits$"
        ):
            model.generate([9] * length, max_new_tokens=budget, max_denoising_steps=1)
        model.generate([9] * length, max_new_tokens=int(fitting.split()[-1]), max_denoising_steps=1)
    with raises(gesso.ArgumentError, f"; a prompt of at most {room - C} tokens fits$"):
        model.generate([9] * (room - C + 1), max_new_tokens=1)
    model.generate([9] * (room - C), max_new_tokens=1, max_denoising_steps=1)


# stop


def test_a_stop_string_ends_the_text(model):
    session = model.session()
    (result,) = session.generate([9], **writes(ABC), stop="ef")
    assert (result.text, result.ids, result.finish_reason) == ("abcd", ABC[:4], "stop")
    assert session.ids == [[9, *ABC[:4]]] and result.canvases.tolist() == [ABC[:C]]
    assert result.reply.text == "abcd" and result.usage.completion_tokens == 4


def test_a_stop_string_may_begin_in_the_canvas_before(model):
    session = model.session()
    (result,) = session.generate([9], **writes(ABC), stop=["ghij", "zz"])
    assert (result.text, result.finish_reason) == ("abcdef", "stop")
    assert session.ids == [[9, *ABC[:6]]] and result.canvases.tolist() == [ABC[:C], ABC[C : 2 * C]]


def test_a_stop_string_may_begin_within_a_token(model):
    """What stands before it in the token belongs to the text, and to the ids."""
    ids = text_of("a", "▁the", "in", "\n\n", *"bcde")
    for stop, text in (("e", "a th"), ("n\n", "a thei"), ("\nb", "a thein\n"), ("a", ""), (" the", "a")):
        session = model.session()
        (result,) = session.generate([9], **writes(ids), stop=[stop])
        assert result.text == text == model.tokenizer.decode(result.ids) and result.finish_reason == "stop"
        assert session.ids == [[9, *result.ids]]
    assert model.generate([9], **writes(ids), stop="e")[0].ids == text_of("a", "▁", "th")


def test_the_budget_counts_for_stop_strings_too(model):
    """A string that is not complete within it stops nothing."""
    assert model.generate([9], **writes(ABC[:C]) | {"max_new_tokens": 5}, stop="def")[0].finish_reason == "length"
    (result,) = model.generate([9], **writes(ABC[:C]) | {"max_new_tokens": 6}, stop="def")
    assert (result.text, result.finish_reason) == ("abc", "stop")
    # The text of a token's beginning may take more tokens than are left.
    ids = text_of("a", "▁the", *"bcdefg")
    (result,) = model.generate([9], **writes(ids) | {"max_new_tokens": 2}, stop="e")
    assert (result.text, result.finish_reason) == ("a ", "stop")


def test_an_end_token_in_front_of_the_string(model):
    ids = text_of("a", "b", "<eos>", *"cdefg")
    assert model.generate([9], **writes(ids), stop="cd")[0].ids == ids[:2]
    ids = text_of("a", "b", "c", "d", "<eos>", *"efg")
    assert model.generate([9], **writes(ids), stop="cd")[0].ids == ids[:2]


def test_special_tokens_are_no_text(model):
    ids = text_of("a", "<|turn>", "b", "c", "<|turn>", "d", "e", "f")
    (result,) = model.generate([9], **writes(ids), stop="bc")
    assert (result.ids, result.text) == (ids[:2], "a")
    (result,) = model.generate([9], **writes(ids), stop="<|turn>")
    assert (result.ids, result.finish_reason) == (ids, "length")
    (result,) = model.generate([9], **writes(ids), stop="cd")  # the marker between them adds nothing
    assert (result.ids, result.text) == (ids[:3], "ab")


def expected_text(tokenizer, ids, stops):
    """The text up to the string that is complete first, in the text as it is after each canvas."""
    for end in range(C, len(ids) + C, C):
        text = tokenizer.decode(ids[:end])
        found = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
        if found:
            return text[: min(found)[1]], min(end, len(ids))
    return None


@pytest.mark.parametrize("seed", range(60))
def test_random_texts(model, seed):
    """Also with characters that several byte tokens spell, or do not spell, within a canvas and across two."""
    rng = random.Random(seed)
    pieces = [*(("e",), ("the",), ("\n\n",), ("▁the",), ("in",), ("<|turn>",), ("é",), ("<0xFF>",), ("中",), ("h",))]
    pieces += [tuple(f"<0x{byte:02X}>" for byte in text.encode()) for text in ("€", "😀", "the", "é")]
    ids: list[int] = []
    while len(ids) < 4 * C:
        ids += text_of(*rng.choice(pieces))
    ids = ids[: 4 * C - rng.randrange(C)]
    whole = model.tokenizer.decode(ids)
    stops = ["zzz"]
    for _ in range(rng.randrange(1, 3)):
        begin = rng.randrange(len(whole) - 1)
        stops.append(whole[begin : begin + rng.randrange(1, 5)])
    session = model.session()
    (result,) = session.generate([9], **writes(ids) | {"max_new_tokens": len(ids)}, stop=stops)
    expected = expected_text(model.tokenizer, ids, stops)
    assert expected is not None
    text, num_read = expected
    assert result.text == text and result.finish_reason == "stop"
    assert result.canvases.size == -(-num_read // C) * C  # no canvas more than needed
    assert session.ids == [[9, *result.ids]] and not any(stop in result.text for stop in stops)


def test_other_sequences_do_not_change(model):
    """One of three has the string. The other two come out as they do alone, in a batch and in an engine."""
    prompts, options = [[9], [10, 11], [12]], {"max_new_tokens": 3 * C, "end_token_ids": [], "max_denoising_steps": 3}
    pinned = [[{0: 80}], [{}, {0: ID["\n\n"]}], [{1: 81}, {2: 82}]]
    alone = [
        model.generate(prompt, pinned=[pins], seed=seed, **options)[0]
        for seed, (prompt, pins) in enumerate(zip(prompts, pinned, strict=True))
    ]
    stop = alone[1].text[alone[1].text.index("\n\n") - 1 :][:3]
    assert [stop in result.text for result in alone] == [False, True, False]
    together = list(model.generate(prompts, pinned=pinned, seed=[0, 1, 2], stop=stop, **options))
    with gesso.Engine(model) as engine:
        requests = [
            engine.submit(prompt, pinned=[pins], seed=seed, stop=[stop], **options)
            for seed, (prompt, pins) in enumerate(zip(prompts, pinned, strict=True))
        ]
        served = [request.result() for request in requests]
    assert together == served and (together[0], together[2]) == (alone[0], alone[2])
    assert together[1].text == alone[1].text.split(stop)[0] and len(together[1].canvases) == 2


@pytest.mark.parametrize("budget", [3 * C, 2 * C + 1])
@pytest.mark.parametrize("stop", ["ghij", "opq", "cd", "zz"])
def test_what_follows_a_cut_is_that_of_a_fresh_session(model, stop, budget):
    """In a session, whose cache may reach beyond the cut, and in an engine that keeps prefixes."""
    with gesso.Engine(model, prefix_bytes=1 << 24) as engine:
        session = model.session()
        pins = {"pinned": writes(ABC[:budget])["pinned"]}
        first = engine.submit(
            [9], session=session, **writes(ABC) | pins | {"max_new_tokens": budget}, stop=stop
        ).result()
        assert session.ids == [[9, *first.ids]]
        prompt = [9, *first.ids, 30, 31]
        options = {"max_new_tokens": 2 * C, "end_token_ids": [], "seed": 3}
        fresh = model.generate(prompt, **options)[0]
        for again in (engine.submit(prompt, **options).result(), session.generate([30, 31], **options)[0]):
            assert again.ids == fresh.ids and np.array_equal(again.canvases, fresh.canvases)


def test_events_say_how_much_of_a_canvas_is_text(model):
    def lengths(ids, **options):
        events = []
        model.generate([9], **writes(ids) | options, on_canvas=events.append)
        return [event.text_length for event in events]

    assert lengths(ABC) == [C, C, C]
    assert lengths(ABC[:16], max_new_tokens=9) == [C, 1]
    assert lengths(ABC, stop="kl") == [C, 2]
    assert lengths(ABC, stop="hij") == [C, 0]  # one id of the canvas before is no text either
    assert lengths([*ABC[:10], EOS, *ABC[11:16]]) == [C, 2]
    with gesso.Engine(model) as engine:
        events = list(engine.submit([9], events=True, **writes(ABC), stop="kl"))
    assert [event.text_length for event in events if isinstance(event, gesso.CanvasEvent)] == [C, 2]


@pytest.mark.parametrize("stop", ["", ["a", ""], ["\ud800"]])
def test_stop_strings_that_cannot_be(model, stop):
    with raises(gesso.ArgumentError, "stop"):
        model.generate([9], stop=stop)
    with raises(gesso.ArgumentError, "stop"):
        model.generate_many([[9]], stop=stop)


@pytest.mark.parametrize("stop", [5, [5], b"a", {"a": 1}, [None], object()])
def test_stop_strings_of_another_kind(model, stop):
    with raises(TypeError, "stop"):
        model.generate([9], stop=stop)


def test_stop_strings_need_a_tokenizer(tmp_path):
    model = gesso.load(tiny_model(tmp_path / "ids.gguf", tokenizer=False))
    with raises(gesso.ArgumentError, "stop", "tokenizer"):
        model.generate([9], stop="a")
    assert model.generate([9], stop=[], max_new_tokens=1)[0].text is None


# seed


def test_no_seed_draws_one_for_each_sequence(model):
    options = {"max_new_tokens": C, "max_denoising_steps": 2, "end_token_ids": []}
    out = model.generate([[9]] * 3, seed=None, **options)
    seeds = [result.seed for result in out]
    assert len(set(seeds)) == 3 and all(0 <= seed < 2**53 for seed in seeds)
    assert [result.ids for result in model.generate([[9]] * 3, seed=seeds, **options)] == out.sequences
    assert model.generate([9], seed=None, **options)[0].seed not in seeds
    many = list(model.generate_many([[9]] * 3, seed=None, **options))
    assert len({result.seed for result in many}) == 3
    with gesso.Engine(model) as engine:
        one, other = (engine.submit([9], seed=None, **options).result() for _ in range(2))
    assert one.seed != other.seed and model.generate([9], seed=one.seed, **options)[0] == one


def test_a_negative_seed_is_refused_everywhere(model):
    for seed in (-1, [-1], -(2**63)):
        with raises(gesso.ArgumentError, "seed", "0 to 2.64 - 1", "None draws one"):
            model.generate([9], seed=seed)
    with raises(gesso.ArgumentError, "None draws one"):
        model.generate_many([[9]], seed=-1)
    assert "None draws one" in str(next(iter(model.generate_many([[9]], seed=[-1]))))
    with gesso.Engine(model) as engine, raises(gesso.ArgumentError, "None draws one"):
        engine.submit([9], seed=-1)
