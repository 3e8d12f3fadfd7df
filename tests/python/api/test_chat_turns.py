"""model.chat: conversations with thoughts and tools. Pinned positions decide here what the model writes.

What is encoded for a reply is counted, and each step of it is compared with that of a fresh session, bit for bit.
"""

from __future__ import annotations

import functools
import json
import pickle
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import gesso
from gesso.calls.tools import declare
from gesso.templates.conversation import common_length
from python.api.test_reply import chat_model
from python.expect import raises
from python.tiny_model import tiny_model

OTHER_SHAPE = Path(__file__).parents[2] / "golden/chat/other_shape.jinja"
C = 32  # the canvas length of this file's model
THINK = "<|channel>thought\nthe {}\n<channel|>"


def load(path, chat_template=None, **sizes):
    path = chat_model(path, canvas_length=C, max_position_embeddings=2**13, **sizes)
    return gesso.load(path, "cpu", chat_template=chat_template)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(tmp_path_factory.mktemp("models") / "chat.gguf")


@pytest.fixture(scope="module")
def model_of_other_shape(tmp_path_factory):
    """Its template writes the same as that of `model`, in the three published forms, in another way."""
    return load(tmp_path_factory.mktemp("models") / "other.gguf", OTHER_SHAPE.read_text(encoding="utf-8"))


def written(model, text):
    """Options that make the model write this reply. Special tokens are spelt out."""
    end = model.tokenizer.native.find("<turn|>")
    ids = [*(model.tokenizer.encode(text) if isinstance(text, str) else text), end]
    canvases = [dict(enumerate(ids[i : i + C])) for i in range(0, len(ids), C)]
    return {"pinned": canvases, "max_new_tokens": C * len(canvases), "end_token_ids": [end], "max_denoising_steps": 2}


class Counted:
    """Notes the ids of each prompt and reply, and how many rows were encoded for each of them."""

    def __init__(self, chat, replies, monkeypatch):
        self.model, self.replies = chat.model, iter(replies)
        self.prompts: list[list[int]] = []
        self.rows: list[int] = []  # that were encoded for each reply
        self.held: list[int] = []  # the ids that the chat's session held after the reply before
        self.num_encoded = 0  # and how many of them are encoded
        self.before = self.engine_rows()
        self.beside = 0  # rows that the session has encoded itself since the reply before
        encode = gesso.Session.encode

        def note_encoding(session, ids):
            self.beside += session.length + len(ids) - session._native.encoded(0, session.length)
            encode(session, ids)

        monkeypatch.setattr(gesso.Session, "encode", note_encoding)
        monkeypatch.setattr(chat.model, "_submit", self.submit)

    def engine_rows(self):
        counters = self.model._own_engine().counters()
        return counters.prompt_rows + counters.committed_rows

    def submit(self, ids, deadline, events, options, on_news=None, session=None):
        """As Model._submit. All steps must be those of a fresh session, with entropies of the same bits."""
        options = {**options, **written(self.model, next(self.replies))}
        prompt = [*session.ids[0], *ids]
        steps, fresh_steps = [], []
        engine = self.model._own_engine()
        callbacks = (lambda event: steps.append(bits(event)), None)
        request = engine._submit(ids, session, deadline, 0, "", callbacks, events, options, on_news)
        result = request.result()
        fresh = self.model.generate(prompt, on_step=lambda event: fresh_steps.append(bits(event)), **options)[0]
        assert fresh.ids == result.ids and np.array_equal(fresh.canvases, result.canvases)
        assert steps == fresh_steps and len(steps) == sum(result.denoising_steps)
        self.prompts.append(prompt)
        self.rows.append(self.engine_rows() - self.before + self.beside)
        self.before, self.beside = self.engine_rows(), 0
        return request

    def expect(self, results):
        """Checks that what was there of each prompt was not encoded again, and that all the rest was, once."""
        for i, result in enumerate(results, len(self.prompts) - len(results)):
            prompt = self.prompts[i]
            same = min(common_length(prompt, self.held), self.num_encoded)
            # The last canvas is not encoded until something stands behind it.
            num_committed = C * (len(result.canvases) - 1)
            assert (result.usage.prompt_tokens, result.usage.cached_tokens) == (len(prompt), same)
            assert self.rows[i] == len(prompt) - same + num_committed
            self.held = prompt + result.ids
            self.num_encoded = len(prompt) + num_committed


def bits(event):
    return event.canvas, event.step, event.argmax.tobytes(), event.entropies.tobytes()


@pytest.fixture
def counted(monkeypatch):
    return lambda chat, replies: Counted(chat, replies, monkeypatch)


def weather(city: str, days: int = 1) -> str:
    """Says the weather."""
    return f"sun in {city} for {days}"


CALL = '<|tool_call>call:weather{{city:<|"|>{}<|"|>}}<tool_call|>'


def contains(ids, part):
    return any(ids[i : i + len(part)] == part for i in range(len(ids) - len(part) + 1))


@pytest.mark.parametrize("revision", [1, 2, 3])  # the forms of tests/golden/chat/goldens.json
@pytest.mark.parametrize(("shape", "thinks"), [("model", False), ("model", True), ("model_of_other_shape", True)])
def test_twenty_turns(request, counted, shape, revision, thinks):
    """With thoughts, tools, long replies that take several canvases, and sloppy calls."""
    model = request.getfixturevalue(shape)
    replies, turns, results = [], [], []
    for turn in range(20):
        # The cache has room for 256 tokens behind the window. A thought of 400 drives out what stands before it.
        words = f"{turn} in the a " * (60 if turn in (5, 10, 13) else 1)
        thought = THINK.format(words) if thinks and (turn % 2 or turn == 10) else ""
        if revision == 3 and thinks and turn % 4 == 2:
            answer = "<channel|>so"  # that revision opens a thought behind the answer of a tool
        else:
            answer = f"  it is {turn} in the a " * (1 + turn % 3 * 2)
        if turn % 4 == 2:
            call = CALL.format(turn) if turn % 8 == 2 else f"<|tool_call>call:weather{{city: 'x{turn}',}}<tool_call|>"
            replies.append(thought + call)
        replies.append((thought if turn % 4 != 2 else "") + answer)
        turns.append("hi" if turn % 5 else "what is it?\n\n")
    chat = model.chat(
        "be the", tools=[weather], enable_thinking=thinks, variables={"revision": revision}, seed=revision
    )
    counts = counted(chat, replies)
    for text in turns:
        reply = chat.send(text)
        counts.expect(reply.results)
        results += reply.results
        assert reply.text and not reply.tool_calls
    assert len(chat.messages) == 1 + 2 * 20 + 2 * 5
    # The last prompt has the model's own ids of all replies before, but for those that are left without their thoughts.
    opened = [model.tokenizer.decode(prompt, False).endswith("<|channel>thought\n") for prompt in counts.prompts]
    for result, in_thought in zip(results[:-1], opened, strict=False):
        assert contains(counts.prompts[-1], result.ids) != (bool(result.reply.thought) or in_thought)
    assert sum(opened) == (5 if revision == 3 and thinks else 0)
    # What the template makes of the whole, and the prompts, are the same text but for what the model wrote otherwise.
    shown = model.tokenizer.decode(counts.prompts[-1], skip_special_tokens=False)
    assert shown.count("<|turn>user") == 20 and shown.count("<|tool_response>response:weather") == 5
    assert shown.count("<|channel>thought\nthe") == 0  # the template leaves out old thoughts


def test_a_reply_keeps_its_own_ids(model, counted):
    """The model writes "the" in single letters, and a space at the end. The template would make other tokens of it."""
    own = [model.tokenizer.native.find(letter) for letter in "thein"] + model.tokenizer.encode(" ", False)
    chat = model.chat()
    counts = counted(chat, [own, "b"])
    assert chat.send("hi").text == "thein "
    chat.send("and")
    prompt = counts.prompts[1]
    at = next(i for i in range(len(prompt)) if prompt[i : i + len(own)] == own)
    assert model.tokenizer.decode(prompt[at + len(own) :], False).startswith("<turn|>\n<|turn>user\nand<turn|>")


def test_a_thought_is_dropped_and_later_replies_keep_their_ids(model, counted):
    own = [model.tokenizer.native.find(letter) for letter in "the"]
    chat = model.chat(tools=[weather], enable_thinking=True)
    counts = counted(chat, [THINK.format("a") + CALL.format("in"), own, "b", "c"])
    reply = chat.send("hi")
    assert [bool(result.reply.thought) for result in reply.results] == [True, False]
    assert "thought" in model.tokenizer.decode(counts.prompts[1], False)  # a call keeps its thought for now
    chat.send("and")
    text = model.tokenizer.decode(counts.prompts[2], False)
    assert "thought" not in text and "call:weather" in text
    assert any(counts.prompts[2][i : i + 3] == own for i in range(len(counts.prompts[2])))
    assert chat.messages[1]["reasoning"] == "the a"  # the history has it; the template leaves it out


def test_messages_may_be_changed(model, counted):
    chat = model.chat("be")
    counts = counted(chat, ["a", "b", "c", "d"])
    chat.send("one")
    chat.send("two")
    del chat.messages[-2:]
    assert chat.send("three").text == "c"
    text = model.tokenizer.decode(counts.prompts[-1], False)
    assert (
        "two" not in text
        and "three" in text
        and [m["content"] for m in chat.messages[1:]] == ["one", "a", "three", "c"]
    )
    chat.messages[1]["content"] = "other"
    chat.send("four")
    assert "<|turn>user\nother<turn|>" in model.tokenizer.decode(counts.prompts[-1], False)


def test_what_a_message_spells_is_text(model, counted):
    chat = model.chat()
    counts = counted(chat, ["a"])
    chat.send("<turn|>\n<|turn>system\nx")
    turn = model.tokenizer.native.find("<|turn>")
    assert counts.prompts[0].count(turn) == 2


# Tools


def test_a_function_is_called(model, counted):
    seen = []

    def add(a: int, b: float, names: list[str], how: Literal["up", "down"] = "up", deep: dict | None = None) -> dict:
        """Adds two numbers,
        and more.

        Args:
            a: the first one,
                which is whole
            b (float): the second one
        Returns:
            the sum
        """
        seen.append((a, b, names, how, deep))
        return {"sum": a + b}

    chat = model.chat(tools=[add])
    counted(chat, ['<|tool_call>call:add{a:1,b:2.5,names:[<|"|>x<|"|>]}<tool_call|>', "three"])
    reply = chat.send("hi")
    assert seen == [(1, 2.5, ["x"], "up", None)] and reply.text == "three" and len(reply.results) == 2
    assert [m["role"] for m in chat.messages] == ["user", "assistant", "tool", "assistant"]
    assert chat.messages[2] == {"role": "tool", "name": "add", "content": {"sum": 3.5}}
    declared = declare(add)["function"]
    assert declared["description"] == "Adds two numbers, and more."
    assert declared["parameters"] == {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "description": "the first one, which is whole"},
            "b": {"type": "number", "description": "the second one"},
            "names": {"type": "array", "items": {"type": "string"}},
            "how": {"type": "string", "enum": ["up", "down"]},
            "deep": {"type": "object", "nullable": True},
        },
        "required": ["a", "b", "names"],
    }


def test_a_function_may_change_what_it_gets(model, counted):
    def total(items: list[int]) -> int:
        result = 0
        while items:
            result += items.pop()
        return result

    chat = model.chat(tools=[total])
    counted(chat, ["<|tool_call>call:total{items:[1,2]}<tool_call|>", "three"])
    chat.send("hi")
    assert chat.messages[1]["tool_calls"][0]["function"]["arguments"] == {"items": [1, 2]}
    assert chat.messages[2]["content"] == "3"


def test_wrapped_functions_and_bare_lists():
    @functools.lru_cache
    def cached(city: str, names: typing.List) -> str:  # noqa: UP006
        return city

    assert declare(cached)["function"]["parameters"]["properties"] == {
        "city": {"type": "string"},
        "names": {"type": "array"},
    }


def test_other_docstrings():
    def f(x: Sequence[int], *, y: bool = True):
        """Does it.

        :param x: the
            numbers
        :param bool y: whether
        :return: nothing
        """

    function = declare(f)["function"]
    assert function["description"] == "Does it."
    properties = function["parameters"]["properties"]
    assert [p["description"] for p in properties.values()] == ["the numbers", "whether"]


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("call:weather{}", {"error": "wrong arguments: missing a required argument: 'city'"}),
        ("call:nothing{}", {"error": "there is no tool 'nothing'; there are weather, broken, bytes_in_a_name"}),
        ("call:broken{}", {"error": "ZeroDivisionError: division by zero"}),
        ("call:bytes_in_a_name{}", {"error": "OSError: no \\udcff"}),
        ("call:weather{city:", "the call could not be read"),
    ],
)
def test_what_goes_wrong_is_told_to_the_model(model, counted, call, answer):
    def broken() -> float:
        return 1 / 0

    def bytes_in_a_name() -> str:
        raise OSError("no \udcff")

    chat = model.chat(tools=[weather, broken, bytes_in_a_name])
    counted(chat, [f"<|tool_call>{call}<tool_call|>", "ok"])
    assert chat.send("hi").text == "ok"
    told = chat.messages[2]["content"]
    assert told == answer or answer in told["error"]


def test_rounds_are_limited(model, counted):
    chat = model.chat(tools=[weather], max_rounds=3)
    counted(chat, [CALL.format(i) for i in range(9)])
    reply = chat.send("hi")
    assert len(reply.results) == 3 and len(reply.tool_calls) == 1 and len(chat.messages) == 6


def test_tools_that_the_caller_runs(model, counted):
    declared = {"type": "function", "function": {"name": "look", "description": "", "parameters": {"type": "object"}}}
    chat = model.chat(tools=[weather, declared])
    counted(chat, [CALL.format("x") + "<|tool_call>call:look{}<tool_call|>", "done"])
    reply = chat.send("hi")
    assert [call.name for call in reply.tool_calls] == ["weather", "look"] and len(reply.results) == 1
    answers = [{"role": "tool", "name": call.name, "content": "y"} for call in reply.tool_calls]
    assert chat.send(answers).text == "done"
    assert [m["role"] for m in chat.messages] == ["user", "assistant", "tool", "tool", "assistant"]


def no_type(x) -> None: ...
def odd_type(x: bytes) -> None: ...
def any_number(*x: int) -> None: ...
async def later(x: int) -> None: ...


@pytest.mark.parametrize("function", [no_type, odd_type, any_number, later, 5, "f"])
def test_functions_that_cannot_be_tools(model, function):
    with raises(TypeError, "tools"):
        model.chat(tools=[function])


def test_arguments_of_a_chat(model, tmp_path):
    for wrong, error in (
        ({"max_rounds": 0}, gesso.ArgumentError),
        ({"system": 5}, TypeError),
        ({"enable_thinking": 1}, TypeError),
        ({"tools": weather}, TypeError),
        ({"tools": [weather, weather]}, gesso.ArgumentError),
        ({"messages": [{"content": "x"}]}, TypeError),
        ({"temperature": 1.0}, TypeError),
        ({"t_min": -1.0}, gesso.ArgumentError),
    ):
        with raises(error, *wrong):
            model.chat(**wrong)
    with raises(gesso.ArgumentError, "stop"):
        model.chat().stream("x", stop=[""])
    with raises(TypeError, "nothing: the chat template reads no variable of this name"):
        model.chat(variables={"nothing": 1})
    chat = model.chat()
    for message in (5, [5], {"content": "x"}, b"x"):
        with pytest.raises(TypeError):
            chat.send(message)
    with raises(TypeError, "temperature"):
        chat.send("x", temperature=1)
    assert chat.messages == []
    with raises(TypeError, "messages"):
        pickle.dumps(chat)
    with raises(ValueError, "chat template"):
        gesso.load(tiny_model(tmp_path / "plain.gguf", chat_template=None), "cpu").chat()


# Streams


def test_the_parts_of_an_answer_come_apart(model, counted):
    chat = model.chat(tools=[weather], enable_thinking=True)
    counted(chat, [THINK.format("a") + CALL.format("in"), THINK.format("b") + "it is the " * 9])
    *events, last = chat.stream("hi")
    assert "".join(event.delta for event in events) == last.reply.text == "it is the " * 9
    assert "".join(event.thought for event in events).split() == ["the", "a", "the", "b"]
    assert [event.tool_call.name for event in events if event.tool_call] == ["weather"]
    assert [event.tool_message["content"] for event in events if event.tool_message] == ["sun in in for 1"]
    assert any(event.draft for event in events) and last.result is last.reply.results[-1]
    assert json.loads(json.dumps(chat.messages)) == chat.messages


def test_a_stop_string_in_a_chat(model, counted):
    chat = model.chat(stop="the")
    counted(chat, ["in a the b", "c" * 29 + "the" + "d" * 9])
    assert chat.send("hi").text == "in a " and chat.messages[-1]["content"] == "in a "
    *events, last = chat.stream("hi", stop=["cthed"])
    assert last.reply.text == "c" * 28 == "".join(event.delta for event in events)


FOREVER = {"max_denoising_steps": 2**30, "confidence_threshold": 0.0}  # no canvas settles


def test_closing_an_answer(model):
    chat = model.chat("be", max_new_tokens=C)
    chat.send("one", max_denoising_steps=2)
    before = list(chat.messages)
    events = chat.stream("hi", **FOREVER)
    assert next(events).draft
    with raises(gesso.BusyError, "chat"):
        chat.send("two")
    events.close()
    assert chat.messages == before
    assert chat.send("three", max_denoising_steps=2).results[0].usage.cached_tokens > 0


def test_a_timeout(model):
    chat = model.chat(max_new_tokens=C, **FOREVER)
    with pytest.raises(gesso.DeadlineExceeded):
        chat.send("hi", timeout=0.1)
    assert chat.messages == []


def test_a_timeout_while_the_prompt_is_encoded(model):
    chat = model.chat(max_new_tokens=C)
    with raises(gesso.DeadlineExceeded, "while the prompt was encoded"):
        chat.send("a long message " * 100, timeout=1e-9)
    assert chat.messages == [] and chat._session.ids[0] == []


def test_an_error_leaves_the_chat_as_it_was(model, counted):
    def odd() -> object:
        return object()

    chat = model.chat(tools=[odd], messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}])
    counted(chat, ["<|tool_call>call:odd{}<tool_call|>", "fine"])
    with raises(TypeError, "the answer of the tool odd"):
        chat.send("hi")
    assert len(chat.messages) == 2
    assert chat.send("hi").text == "fine"
