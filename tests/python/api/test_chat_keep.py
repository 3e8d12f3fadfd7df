"""A chat keeps what there was of an answer that was ended early, and its tools and variables may change."""

from __future__ import annotations

import pytest

from python.api.test_chat_turns import CALL, load, weather, written


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(tmp_path_factory.mktemp("models") / "chat.gguf")


def ended(chat, text, until, reply):
    """Begins an answer that writes this reply, and ends it at the event that `until` wants."""
    stream = chat.stream(text, **written(chat.model, reply))
    for event in stream:
        if until(event):
            break
    else:
        raise AssertionError("the answer came to its end")
    stream.close()
    return event


def test_what_the_canvas_held_is_kept(model):
    chat = model.chat("be the", max_denoising_steps=2)
    reply = "<|channel>thought\nso it is\n<channel|>in the a the"
    event = ended(chat, "hi", lambda event: event.settling is not None, reply)
    assert len(event.settling.ids) == 32 and event.draft
    assert [message["role"] for message in chat.messages] == ["system"]
    kept = chat.keep()
    assert (kept.thought, kept.text) == ("so it is", "in the a the")
    assert chat.messages[1:] == [{"role": "user", "content": "hi"}, kept.message()]
    assert chat.keep() is None
    fresh = model.chat(messages=chat.messages, max_rounds=1, seed=3)
    options = {"max_new_tokens": 8, "max_denoising_steps": 2}
    assert chat.send("in the a", seed=3, **options).results[0].ids == fresh.send("in the a", **options).results[0].ids


def test_canvases_that_are_done_are_kept_too(model):
    chat = model.chat()
    text = "in the a the " * 8
    ended(chat, "hi", lambda event: event.settling is not None and event.canvas == 1, text)
    kept = chat.keep()
    assert text.startswith(kept.text) and len(kept.text) > 32


def test_nothing_is_kept_before_the_first_step_and_behind_the_end(model):
    chat = model.chat()
    assert chat.keep() is None
    chat.stream("hi").close()
    assert chat.keep() is None
    chat.send("hi", max_new_tokens=4)
    assert chat.keep() is None
    assert len(chat.messages) == 2


def test_a_call_that_was_not_answered_is_left_out(model):
    def interrupts(city: str) -> str:
        raise KeyboardInterrupt

    interrupts.__name__ = "weather"
    chat = model.chat(tools=[interrupts])
    with pytest.raises(KeyboardInterrupt):
        chat.send("hi", **written(model, "in the " + CALL.format("Oslo")))
    assert chat.keep() is None and chat.messages == []
    ended(chat, "hi", lambda event: event.settling is not None, "in the " + CALL.format("Oslo"))
    assert chat.keep().tool_calls == []
    assert chat.messages[-1] == {"role": "assistant", "content": "in the "}


def test_other_tools_are_offered(model):
    chat = model.chat(max_rounds=1)
    before = chat.send("hi", max_new_tokens=4).results[0].usage.prompt_tokens
    chat.offer([weather])
    reply = chat.send("hi", **written(model, CALL.format("Oslo")))
    assert reply.results[0].usage.prompt_tokens > 2 * before
    assert [call.name for call in reply.tool_calls] == ["weather"]
    chat.offer(None)
    with pytest.raises(TypeError):
        chat.offer(weather)


def test_variables_hold_for_the_next_call(model):
    chat = model.chat()
    first = chat.send("hi", max_new_tokens=4).results[0].usage.prompt_tokens
    chat.messages.clear()
    chat.variables["enable_thinking"] = True
    assert chat.send("hi", max_new_tokens=4).results[0].usage.prompt_tokens > first
