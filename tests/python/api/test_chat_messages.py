"""What is wrong with messages and tools is named with its place. Nothing is dropped without a word."""

import enum

import numpy as np
import pytest

import gesso
from python.api.test_chat_ids import TOKENIZER
from python.expect import raises

USER = {"role": "user", "content": "hi"}
TEXT = {"type": "text", "text": "T"}
LOOP = []
LOOP.append(LOOP)


def answer(call):
    return [USER, {"role": "assistant", "content": None, "tool_calls": call}]


def function(**fields):
    return {"type": "function", "function": {"name": "f", **fields}}


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ([{"type": "image_url", "image_url": {"url": "x"}}, TEXT], ValueError, r"\[0\]: expected .* got 'image_url'"),
        ([TEXT, {"type": "input_audio"}], ValueError, r"\[1\]: expected a type of .* video, got 'input_audio'"),
        ([{"type": "input_text", "text": "T"}], ValueError, r"\[0\]: expected a type of .* got 'input_text'"),
        ([{"text": "hello"}], ValueError, r"\[0\]: expected a type of .* got no type"),
        ([{"type": None, "text": "hello"}], ValueError, r"\[0\]: expected a type of .* got None"),
        ([{"type": ["text"], "text": "hello"}], ValueError, r"\[0\]: expected a type of .* got \['text'\]"),
        (["hello"], TypeError, r"\[0\]: expected a dict with a type, got str"),
        ([{"type": "text"}], TypeError, r"\[0\].text: expected a string, got None"),
        ([{"type": "text", "text": 5}], TypeError, r"\[0\].text: expected a string, got int"),
        (5, TypeError, ": expected text, a list of parts or None, got int"),
        ({"a": 1}, TypeError, ": expected text, a list of parts or None, got dict"),
        (b"hi", TypeError, ": expected a value that JSON has, got bytes"),
        ([{"type": "image", "image": np.zeros(2)}], TypeError, r"\[0\].image: expected a value .* got numpy.ndarray"),
        (LOOP, ValueError, "holds itself"),
    ],
)
@pytest.mark.parametrize("role", ["user", "system", "tool"])
def test_contents(role, content, error, message):
    if role == "tool" and content == {"a": 1}:  # such a content becomes JSON text
        return
    place = "" if content is LOOP else r"messages\[1\].content"
    with raises(error, place + message):
        TOKENIZER.apply_chat_template([USER, {"role": role, "content": content}])


@pytest.mark.parametrize("kind", ["image", "audio"])
def test_parts_that_are_known(kind):
    string = TOKENIZER.apply_chat_template([{"role": "user", "content": (TEXT, {"type": kind})}])
    assert string.count(f"<|{kind}|>") == 1


@pytest.fixture(scope="module")
def mini():
    """Its vocabulary has no tokens for images."""
    return gesso.load("mini", "cpu")


@pytest.mark.parametrize("kind", ["image", "audio", "video", "image_url"])
def test_a_model_gets_texts_only(mini, kind):
    messages = [USER, {"role": "user", "content": [TEXT, {"type": kind, kind: {"url": "x"}}]}]
    expected = rf"^messages\[{{}}\].content\[1\]: gesso handles text only; expected the type 'text', got '{kind}'$"
    for tokenizer in (TOKENIZER, mini.tokenizer):
        with raises(gesso.ArgumentError, expected.format(1)):
            tokenizer.apply_chat_template(messages, tokenize=True)
    chat = mini.chat()
    with raises(gesso.ArgumentError, expected.format(0)):
        chat.send(messages[1])
    with raises(gesso.ArgumentError, expected.format(1)):
        chat.stream(messages)
    assert chat.messages == []
    chat.messages[:] = messages
    with raises(gesso.ArgumentError, expected.format(1)):
        chat.send("hi")
    with raises(gesso.ArgumentError, expected.format(1)):
        mini.chat(messages=messages)


def test_a_role_that_chats_do_not_have(mini):
    expected = r"^messages\[0\].role: expected system, developer, user, assistant or tool, got 'root'$"
    with raises(gesso.ArgumentError, expected):
        mini.chat().send(USER | {"role": "root"})
    with raises(gesso.ArgumentError, expected):
        mini.chat(messages=[USER | {"role": "root"}])


@pytest.mark.parametrize(
    ("messages", "error", "message"),
    [
        ("hi", TypeError, "messages: expected a list of dicts, got str"),
        (USER, TypeError, "messages: expected a list of dicts, got dict"),
        ([USER, "hi"], TypeError, r"messages\[1\]: expected a dict with role and content, got str"),
        ([{"content": "hi"}], TypeError, r"messages\[0\].role: expected a string, got None"),
        ([{"role": 1, "content": "hi"}], TypeError, r"messages\[0\].role: expected a string, got int"),
        ([USER | {"n": np.int64(1)}], TypeError, r"messages\[0\].n: expected a value that JSON has, got numpy.int64"),
        ([USER | {1: 2}], TypeError, r"messages\[0\]: expected keys that are strings, as in JSON, got int 1"),
        ([USER | {"s": {1}}], TypeError, r"messages\[0\].s: expected a value that JSON has, got set"),
        ([USER | {"n": float("nan")}], ValueError, r"messages\[0\].n: expected a value that JSON has, got nan"),
        (answer({"a": 1}), TypeError, r"messages\[1\].tool_calls: expected a list of dicts, got dict"),
        (answer(["f"]), TypeError, r"messages\[1\].tool_calls\[0\]: expected {.*}, got str"),
        (answer([{"name": "f"}]), ValueError, r"messages\[1\].tool_calls\[0\]: expected {.*}, got the keys 'name'"),
        (
            answer([function(arguments={"x": [np.float32(1)]})]),
            TypeError,
            r"messages\[1\].tool_calls\[0\].function.arguments.x\[0\]: expected .* got numpy.float32",
        ),
    ],
)
def test_messages(messages, error, message):
    with raises(error, message):
        TOKENIZER.apply_chat_template(messages)


HALF = "ab\udc80"


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([USER, {"role": "user", "content": HALF}], r"messages\[1\].content: not UTF-8 at character 2"),
        ([{"role": "user", "content": [TEXT | {"text": HALF}]}], r"messages\[0\].content\[0\].text: not UTF-8"),
        ([USER | {HALF: 1}], r"a key of messages\[0\]: not UTF-8"),
        (answer([function(arguments={"x": [HALF]})]), r"messages\[1\].*.function.arguments.x\[0\]: not UTF-8"),
        (answer([function(arguments='{"x": "\\ud800"}')]), r"messages\[1\].*.function.arguments.x: not UTF-8"),
        (answer([function(arguments='{"x": NaN}')]), r"messages\[1\].*.arguments.x: expected a value that JSON has"),
    ],
)
def test_text_that_is_no_unicode(messages, message):
    for tokenize in (False, True):
        with raises(ValueError, message):
            TOKENIZER.apply_chat_template(messages, tokenize=tokenize)


@pytest.mark.parametrize("argument", ["tools", "documents", "mood"])
def test_other_text_that_is_no_unicode(argument):
    values = {"tools": [function(description=HALF)], "documents": [{"a": HALF}], "mood": HALF}
    source = "{{ messages[0].content }}{{ " + argument + " }}"
    with raises(ValueError, f"^{argument}.*: not UTF-8 at character 2"):
        TOKENIZER.apply_chat_template([USER], chat_template=source, **{argument: values[argument]})


@pytest.mark.parametrize(
    ("tools", "error", "message"),
    [
        ([{"name": "f"}], ValueError, r"tools\[0\]: expected {\"type\": \"function\", .*}, got the keys 'name'"),
        ([function(), "x"], TypeError, r"tools\[1\]: expected {\"type\": \"function\", .*}, got str"),
        ([{}], ValueError, r"tools\[0\]: expected .*, got the keys \(none\)"),
        ([{"type": "function", "function": {}}], TypeError, r"tools\[0\].function.name: expected a string, got None"),
        ([print], TypeError, r"tools\[0\]: expected a value that JSON has, got builtin_function_or_method"),
        (function(), TypeError, "tools: expected a list of dicts or None, got dict"),
        ([function(parameters={"a": np.bool_(1)})], TypeError, r"tools\[0\].function.parameters.a: .* got numpy.bool"),
    ],
)
def test_tools(tools, error, message):
    with raises(error, message):
        TOKENIZER.apply_chat_template([USER], tools=tools)


def test_documents():
    source = "{{ messages[0].content }}{{ documents }}"
    with raises(TypeError, r"documents\[0\].a: expected a value that JSON has, got numpy.int64"):
        TOKENIZER.apply_chat_template([USER], chat_template=source, documents=[{"a": np.int64(1)}])


class Role(str, enum.Enum):
    USER = "user"


def test_a_member_of_an_enum_is_its_text():
    expected = TOKENIZER.apply_chat_template([USER])
    assert TOKENIZER.apply_chat_template([USER | {"role": Role.USER}]) == expected
    assert TOKENIZER.apply_chat_template([USER | {"role": np.str_("user")}]) == expected
