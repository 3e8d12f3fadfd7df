"""A conversation that the context cannot hold is refused before any of it is encoded."""

from __future__ import annotations

import re

import pytest

import gesso
from python.api.test_chat_turns import C, load, written
from python.expect import raises


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(tmp_path_factory.mktemp("models") / "chat.gguf")


def num_tokens(model, text):
    return len(model.tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=True))


def text_of(model, length):
    """A text whose conversation has so many tokens."""
    text = "a" * (length - num_tokens(model, "a") + 1)
    assert num_tokens(model, text) == length
    return text


def refuse_to_encode(*_):
    raise AssertionError("it was encoded")


@pytest.mark.parametrize("call", ["send", "stream"])
def test_a_conversation_that_is_too_long(model, monkeypatch, call):
    context = model.config.max_position_embeddings
    before = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    chat = model.chat(max_new_tokens=C, messages=before)
    text = "in the a " * 9000
    whole = model.tokenizer.apply_chat_template([*before, {"role": "user", "content": text}], tokenize=True)
    with monkeypatch.context() as patch:
        patch.setattr(gesso.Session, "encode", refuse_to_encode)
        expected = f"^the conversation has {len(whole)} tokens, more than the model's context of {context}$"
        with raises(gesso.ArgumentError, expected):
            list(getattr(chat, call)(text))
    assert chat.messages == before and chat.keep() is None
    assert chat.send("hi", **written(model, "fine")).text == "fine"


def test_a_conversation_that_leaves_no_room_for_a_reply(model, monkeypatch):
    """The message says what would fit, and that fits."""
    context = model.config.max_position_embeddings
    chat = model.chat()
    with monkeypatch.context() as patch:
        patch.setattr(gesso.Session, "encode", refuse_to_encode)
        for length, most in ((context - C + 1, None), (context - 2 * C, 2 * C), (context - 3 * C + 1, 2 * C)):
            fitting = f"max_new_tokens of at most {most}" if most else f"a conversation of at most {context - C} tokens"
            needed = length + 3 * C
            with raises(
                gesso.ArgumentError,
                f"the conversation has {length} tokens",
                f"needs {needed} positions, but the model's context is {context}",
                f"; {fitting} fits$",
            ):
                chat.send(text_of(model, length), max_new_tokens=2 * C + 1)
    assert chat.messages == []


@pytest.mark.parametrize("num_canvases", [1, 2])
def test_a_conversation_that_just_fits(model, num_canvases):
    text = text_of(model, model.config.max_position_embeddings - num_canvases * C)
    reply = model.chat(max_new_tokens=num_canvases * C).send(text, max_denoising_steps=1)
    assert reply.results[0].usage.prompt_tokens == num_tokens(model, text)


def test_answers_of_tools_count_as_well(model):
    """The second reply is refused in the same words, and the chat stays as it was."""

    def long() -> str:
        return "a" * 9000

    chat = model.chat(tools=[long])
    options = written(model, "<|tool_call>call:long{}<tool_call|>")
    with pytest.raises(gesso.ArgumentError, match="the conversation has 9") as error:
        chat.send("hi", **options)
    assert re.search(r"has \d+ tokens, more than the model's context of 8192$", str(error.value))
    assert chat.messages == []


def test_the_models_own_number_of_new_tokens(model):
    budget = model.native.config.generation["max_new_tokens"]
    text = text_of(model, model.config.max_position_embeddings - budget + 1)
    with raises(gesso.ArgumentError, f"with a reply of {budget} tokens"):
        model.chat().send(text)
