"""How `gesso run` shows a reply: thoughts are separate from the text, and tool calls are readable."""

from io import StringIO

import pytest

import gesso
from gesso import TextDelta, ThoughtDelta
from gesso.calls.tool_call import parse_calls
from gesso.measure.text import visible
from gesso.terminal.display import PlainText, ReplyText, call_line
from python.api.test_reply import chat_model
from python.command_line import run, run_in_terminal, screen

MESSAGES = [{"role": "user", "content": "hi"}]
(CALL,) = parse_calls('call:f{city:<|"|>Zürich<|"|>,n:[1,true]}')
(BAD_CALL,) = parse_calls("call:f{city:Paris}")


class Terminal(StringIO):
    def isatty(self):
        return True


def show(stream, *events, thoughts=None):
    with PlainText(stream) as display:
        ReplyText(display, thoughts).show(events)
    return stream.getvalue()


def test_tool_calls_stand_in_lines_of_their_own():
    shown = show(StringIO(), TextDelta("Let me"), TextDelta(" see"), CALL, CALL, TextDelta("so\n"), CALL)
    line = 'call f({"city": "Zürich", "n": [1, true]})\n'
    assert shown == f"Let me see\n{line}{line}so\n{line}"


def test_a_call_that_cannot_be_read_is_shown_with_its_error():
    assert call_line(BAD_CALL).splitlines() == ["call call:f{city:Paris}", f"({BAD_CALL.error})"]


def test_thoughts_go_elsewhere_or_are_dim():
    events = (ThoughtDelta("so"), ThoughtDelta(" it is\n"), TextDelta("Yes."))
    elsewhere = StringIO()
    with PlainText(elsewhere) as thoughts:
        assert show(StringIO(), *events, events[0], events[2], thoughts=thoughts) == "Yes.Yes.\n"
    assert elsewhere.getvalue() == "so it is\nso\n"
    assert show(StringIO(), ThoughtDelta("so"), TextDelta("Yes.")) == "so\nYes.\n"


def test_a_terminal_gets_thoughts_dim_and_made_safe(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = show(Terminal(), ThoughtDelta("so\x1b[31m [b]:x: " * 9), TextDelta("Yes."))
    assert shown == "\x1b[2m" + "so␛[31m [b]:x: " * 9 + "\x1b[0m\nYes.\n"


# The command with a random model, and with a seed for which the reply has a thought and a text


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    path = chat_model(tmp_path_factory.mktemp("models") / "chat.gguf", canvas_length=96)
    model = gesso.load(path)
    prompt = model.tokenizer.apply_chat_template(MESSAGES, enable_thinking=True)
    for seed in range(200):
        reply = model.generate(prompt, max_new_tokens=96, seed=seed).replies[0]
        if len(reply.thought) > 10 and len(reply.text) > 10 and not reply.tool_calls:
            return ("run", str(path), "hi", "--think", "--max-new-tokens", "96", "--seed", str(seed)), reply
    raise AssertionError("no seed has both")


def with_line_end(text):
    return text if text.endswith("\n") else text + "\n"


def test_pipes_get_the_text_and_the_thoughts_apart(said):
    arguments, reply = said
    status, out, err = run(*arguments)
    assert status == 0
    assert out == with_line_end(reply.text)
    assert err.partition("\ngesso: the answer was cut")[0].strip() == reply.thought


@pytest.mark.parametrize("plain", [[], ["--plain"]])
def test_a_terminal_gets_both(said, plain):
    arguments, reply = said
    status, sent = run_in_terminal(*arguments, *plain, columns=400, rows=40)
    assert status == 0
    assert "\x1b[2m" in sent
    shown = "\n".join(screen(sent)).expandtabs()
    for part in (reply.thought, reply.text):
        for line in visible(part).expandtabs().split("\n"):
            assert line.strip() in shown
