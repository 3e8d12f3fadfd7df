"""Saved conversations: other programs can read them, and files of others do no harm."""

import json
import os

import pytest

from gesso.talk import conversation_file
from gesso.talk.conversation_file import MOST_BYTES, is_ours, read, save
from python.expect import raises

CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Zürich"}}}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Weather?\n\x1b[2J"},
    {"role": "assistant", "content": "", "reasoning": "I must ask.", "tool_calls": [CALL, CALL]},
    {"role": "tool", "name": "weather", "content": {"sky": "sun"}},
    {"role": "tool", "name": "weather", "content": "rain"},
    {"role": "assistant", "content": "Sun."},
]


def test_what_is_saved_is_read_again(tmp_path):
    path = tmp_path / "chat.json"
    save(path, "mini", MESSAGES, True, {"steps": 12})
    saved = read(path)
    assert (saved.think, saved.settings) == (True, {"steps": 12})
    assert [message["role"] for message in saved.messages] == [message["role"] for message in MESSAGES]
    assert saved.messages[2]["tool_calls"][0]["function"] == CALL["function"]
    again = tmp_path / "again.json"
    save(again, "mini", saved.messages, True, {"steps": 12})
    assert again.read_bytes() == path.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.json", "chat.json"]


def test_messages_are_those_of_openai(tmp_path):
    path = tmp_path / "chat.json"
    save(path, "mini", MESSAGES, False, {})
    messages = json.loads(path.read_text(encoding="utf-8"))["messages"]
    calls = messages[2]["tool_calls"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"city": "Zürich"}] * 2
    assert [message["tool_call_id"] for message in messages[3:5]] == [call["id"] for call in calls]
    assert len({call["id"] for call in calls}) == 2
    assert [message["content"] for message in messages[3:5]] == ['{"sky": "sun"}', "rain"]


def test_messages_alone_are_a_conversation(tmp_path):
    path = tmp_path / "list.json"
    path.write_text('[{"role": "user", "content": "hi"}]')
    assert read(path).messages == [{"role": "user", "content": "hi"}]
    assert read(path).settings == {}


HOSTILE = {
    "empty": (b"", "no conversation: Expecting value"),
    "not UTF-8": (b"\xff\xfe{}", "no conversation: not UTF-8"),
    "cut off": (b'{"messages": [{"role": "us', "no conversation: Unterminated string"),
    "deep": (b"[" * 200_000, "nested too deep"),
    "a number": (b"7", 'expected JSON with a list of "messages"'),
    "long digits": (b"[" + b"9" * 10_000 + b"]", "no conversation: Exceeds the limit"),
    "other JSON": (b'{"a": 1}', 'expected JSON with a list of "messages"'),
    "no dict": (b'{"messages": [7]}', r"messages\[0\]: expected a dict"),
    "no role": (b'{"messages": [{"content": "hi"}]}', r"messages\[0\].role: expected a string"),
    "another role": (b'{"messages": [{"role": "root", "content": ""}]}', r"\[0\].role: expected .*, got 'root'"),
    "an image": (b'[{"role": "user", "content": [{"type": "image"}]}]', r"content\[0\]: gesso handles text only"),
    "no content": (b'{"messages": [{"role": "user", "content": 7}]}', r"messages\[0\].content: expected text"),
    "half a character": (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "not UTF-8"),
    "not a number": (b'{"messages": [{"role": "user", "content": "", "x": NaN}]}', "expected a value that JSON has"),
    "calls": (b'{"messages": [{"role": "assistant", "tool_calls": 7}]}', "tool_calls: expected a list"),
    "settings": (b'{"messages": [], "settings": [1]}', '"settings": expected an object'),
    "think": (b'{"messages": [], "settings": {"think": 7}}', '"think" is true or false'),
}


@pytest.mark.parametrize(("data", "problem"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused(tmp_path, data, problem):
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    with raises(ValueError, f"bad.json: .*{problem}"):
        read(path)


def test_no_file_that_never_ends_is_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    with raises(OSError, "expected a regular file, got a pipe"):
        read(tmp_path / "pipe")
    monkeypatch.setattr(conversation_file, "MOST_BYTES", 1 << 10)
    (tmp_path / "large").write_bytes(b" " * (1 << 11))
    with raises(ValueError, "large: expected a conversation of at most"):
        read(tmp_path / "large")
    assert MOST_BYTES >= 1 << 20


def test_only_conversations_are_overwritten_without_a_question(tmp_path):
    path = tmp_path / "file"
    assert is_ours(path)
    for content, expected in (("", True), ("notes", False), ('{"messages": []}', False), ("[]", False)):
        path.write_text(content)
        assert is_ours(path) is expected
    save(path, "mini", MESSAGES, False, {})
    assert is_ours(path)
    save(path, "mini", [], False, {})  # nothing was said
    assert is_ours(path)
    assert not is_ours(tmp_path)


def test_no_pipe_gives_way_to_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert not is_ours(pipe)
    with raises(OSError, "pipe: exists and is no regular file; it is not overwritten"):
        save(pipe, "mini", MESSAGES, False, {})
    assert pipe.is_fifo()


def test_a_file_that_cannot_be_written_keeps_its_content(tmp_path):
    path = tmp_path / "chat.json"
    save(path, "mini", MESSAGES, False, {})
    before = path.read_bytes()
    with pytest.raises(ValueError):
        save(path, "mini", MESSAGES, False, {"steps": float("nan")})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["chat.json"]
