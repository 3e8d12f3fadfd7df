"""What a hub says is not believed: names, sizes, hashes and messages may be anybody's."""

import json

import pytest

FILE, DATA = "model.gguf", b"GGUF" + bytes(1000)
UNSAFE = ["../up.gguf", "/root.gguf", "a/../../up.gguf", "a//b.gguf", "./here.gguf", "c:\\x.gguf", "red\x1b[31m.gguf",
          "line\nbreak.gguf", "left\u202efugg.gguf", "c1\x9b.gguf", ""]  # fmt: skip


def everything(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("name", UNSAFE)
def test_a_name_that_is_none_is_left_out(hub, command, tmp_path, name):
    hub.add("org/name", {name: DATA, FILE: DATA})
    assert command("pull", "org/name")[1].endswith(f"/{FILE}\n")
    hub.add("org/bad", {name: DATA})
    before = everything(tmp_path)
    for pattern in ("*", "*.gguf"):
        status, out, err = command("pull", "org/bad", "--file", pattern)
        assert (status, out) == (1, "") and "left out, for names that no file may have: " in err
        assert err.count("\n") == 1 and all(c.isprintable() for c in err[:-1])
    assert everything(tmp_path) == before and hub.sent("store")[1:] == []


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"X_Linked_Etag": '"../../../../evil"'}, "expected the etag of model.gguf"),
        ({"X_Linked_Etag": '"..\\evil"'}, "expected the etag"),
        ({"X_Linked_Etag": '""'}, "etag"),
        ({"X_Linked_Etag": '".hidden"'}, "expected the etag"),
        ({"X_Linked_Etag": '"' + "a" * 200 + '"'}, "expected the etag"),
        ({"X_Linked_Size": "-1"}, "does not say how many bytes model.gguf has"),
        ({"X_Linked_Size": "999"}, "has more bytes than the hub tells"),
        ({"X_Linked_Etag": '"' + "0" * 64 + '"'}, "came with another SHA-256"),
    ],
)
def test_headers(hub, command, tmp_path, headers, problem):
    hub.add("org/name", {FILE: DATA})
    hub.told["headers"] = headers
    status, out, err = command("pull", "org/name")
    assert (status, out) == (1, "") and problem in err
    assert not any("evil" in name or name.endswith(".gguf") for name in everything(tmp_path))


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"[]", b"{}", b"null", b"<html>", b"\xff", b'{"id": "x", "sha": "../../x", "siblings": []}',
        b'{"id": "x", "sha": null}', b'{"id": "x", "siblings": 3}', b'{"id": "x", "siblings": [3]}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_an_answer_that_is_none(hub, command, answer):
    hub.add("org/name", {FILE: DATA})
    hub.told["info"] = answer
    status, out, err = command("pull", "org/name")
    assert (status, out) == (1, "") and hub.url in err and err.startswith("gesso: org/name: ")


def test_odd_entries_are_left_out(hub, command):
    commit = hub.add("org/name", {FILE: DATA})
    siblings = [{"rfilename": 3}, {"rfilename": ["x.gguf"]}, {"rfilename": FILE, "size": "many"}]
    hub.told["info"] = json.dumps({"id": "x", "sha": commit, "siblings": siblings}).encode()
    assert command("pull", "org/name")[1].endswith(f"/{FILE}\n")


def test_a_message_cannot_control_the_terminal(hub, command):
    hub.failure = (500, json.dumps({"error": "bad\x1b]0;title\x07\nluck"}).encode())
    status, _, err = command("pull", "org/name")
    assert status == 1 and err.startswith(f"gesso: org/name: {hub.url} answered with status 500: bad")
    assert err.count("\n") == 1


def test_a_warning_of_the_hub_is_not_shown(hub, command):
    hub.add("org/name", {FILE: DATA})
    hub.told["headers"] = {"X_HF_Warning": "topic; red\x9b31m"}
    status, _, err = command("pull", "org/name")
    assert status == 0 and err.count("\n") == 1 and "red" not in err


@pytest.mark.parametrize(
    "place", ["{url}/org/name/resolve/main/model.gguf", "ftp://x/y", "http://[", "http://127.0.0.1:1/"]
)
def test_a_redirect_to_nowhere(hub, command, place):
    hub.add("org/name", {FILE: DATA})
    hub.told["headers"] = {"Location": place.format(url=hub.url)}
    status, out, err = command("pull", "org/name")
    assert (status, out) == (1, "") and err.splitlines()[-1].startswith("gesso: org/name: ")
