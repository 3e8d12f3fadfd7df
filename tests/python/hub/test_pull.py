"""`gesso pull` downloads the one model that is meant, and says what is in the way if it cannot."""

import os
import shlex
import shutil
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

import gesso
from gesso.files.short_names import bundled_models
from python import command_line
from python.hf_folders import hf_folder
from python.split_gguf import split
from python.tiny_model import tiny_model

ONE, TWO = "model-Q4_K_M.gguf", "model-Q8_0.gguf"


def test_the_way_of_a_user(hub, tmp_path, model_bytes, monkeypatch):
    """From an empty cache to a text, in processes of their own; the last one is offline."""
    hub.add("org/name", {ONE: model_bytes, "README.md": b"hello"})
    environment = hub.environment(tmp_path / "home")
    for name in set(os.environ) - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    run = ("run", "org/name", "the", "--max-new-tokens", "8", "--threads", "1", "--raw")
    status, out, err = command_line.run(*run)
    reason = "No such file or directory, and no such model in the hub's cache. To download it: gesso pull org/name"
    assert (status, out, err) == (1, "", f"gesso: org/name: {reason}\n")
    status, out, err = command_line.run("pull", "org/name", "--file", "*Q4_K_M*")
    assert status == 0 and err.startswith(f"org/name: {ONE}, 397.5 kB; ") and "are free in" in err
    path = Path(out.removesuffix("\n"))
    assert path.is_relative_to(tmp_path / "home/hub/models--org--name") and path.read_bytes() == model_bytes
    count = len(hub.requests)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    status, out, err = command_line.run(*run)
    assert (status, err) == (0, "gesso: the answer was cut after 8 tokens; --max-new-tokens 16 gives more\n") and out
    assert len(hub.requests) == count


def test_a_model_is_asked_for_once(hub, command, model_bytes):
    hub.add("org/name", {ONE: model_bytes, "README.md": b"hello"})
    assert command("pull", "org/name")[0] == 0
    assert [request.path.rpartition("/")[2] for request in hub.sent()] == [ONE]
    status, out, err = command("pull", "org/name")
    assert (status, err) == (0, "") and Path(out.strip()).is_file() and len(hub.sent()) == 1
    changed = bytearray(model_bytes)
    changed[-1] ^= 1
    hub.add("org/name", {ONE: bytes(changed)})
    path = Path(command("pull", "org/name")[1].strip())
    assert path.read_bytes() == changed and len(hub.sent()) == 2, "the newest one is fetched"


@pytest.mark.parametrize("how", ["login", "variable"])
def test_a_login_opens_a_gated_model_and_the_store_does_not_see_it(hub, command, model_bytes, monkeypatch, how):
    hub.add("org/gated", {ONE: model_bytes}, token="secret")
    if how == "login":  # `hf auth login` writes this file
        Path(constants.HF_TOKEN_PATH).parent.mkdir()
        Path(constants.HF_TOKEN_PATH).write_text("secret")
    else:
        monkeypatch.setenv("HF_TOKEN", "secret")
    assert command("pull", "org/gated")[0] == 0
    assert {request.token for request in hub.sent("hub")} == {"secret"}
    assert [request.token for request in hub.sent()] == [None]


@pytest.mark.parametrize("token", [None, "wrong"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("org/gated", "access is restricted. Ask for it at {url}/org/gated, and log in: hf auth login"),
        ("org/private", "{url} has no such model, or it is private. To log in: hf auth login"),
        ("org/nothing", "{url} has no such model, or it is private. To log in: hf auth login"),
    ],
)
def test_what_this_login_does_not_get(hub, command, monkeypatch, model_bytes, name, expected, token):
    hub.add("org/gated", {ONE: model_bytes}, token="secret")
    hub.add("org/private", {ONE: model_bytes}, token="secret", private=True)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    assert command("pull", name) == (1, "", f"gesso: {name}: {expected.format(url=hub.url)}\n")
    assert hub.sent() == []


def test_a_revision(hub, command, tmp_path, model_bytes):
    other = tiny_model(tmp_path / "other.gguf", canvas_length=16).read_bytes()
    commit = hub.add("org/name", {ONE: other}, revision="v2")
    hub.add("org/name", {ONE: model_bytes})
    assert command("pull", "org/name", "--revision", "v1") == (
        1,
        "",
        f"gesso: org/name: {hub.url} has no revision v1 of it\n",
    )
    for revision in ("v2", commit):
        assert f"/{commit}/" in command("pull", "org/name", "--revision", revision)[1]
    assert gesso.load("org/name", "cpu").config.canvas_length == 16
    assert command("pull", "org/name")[0] == 0
    assert gesso.load("org/name", "cpu").config.canvas_length == 8, "main comes first"
    for revision in ("../main", "", "a//b", "/a", "-x"):
        status, _, err = command("pull", "org/name", f"--revision={revision}")
        assert (status, err) == (2, f"gesso: revision: expected a branch, a tag or a commit, got {revision!r}\n")


def test_several_models_are_listed_on_a_pipe(hub, command, model_bytes):
    files = {ONE: model_bytes, TWO: b"12", "mmproj-F16.gguf": b"", "imatrix.gguf": b"", "config.json": b"{}"}
    hub.add("org/name", files | {f"big/b-0000{i}-of-00002.gguf": b"123" for i in (1, 2)})
    status, out, err = command("pull", "org/name")
    assert (status, out) == (2, "") and hub.sent() == []
    assert err.splitlines() == [
        "org/name has 3 models:",
        "  big/b-00001-of-00002.gguf  6 B in 2 files",
        f"  {ONE}          397.5 kB",
        f"  {TWO}            2 B",
        "gesso: org/name: choose one of its 3 models with --file",
    ]
    names = f"big/b-00001-of-00002.gguf, {ONE}, {TWO}"
    assert command("pull", "org/name", "--file", "*F16*")[::2] == (
        1,
        f"gesso: org/name: no model fits '*F16*'; it has {names}\n",
    )
    assert command("pull", "org/name", "--file", "*Q8*")[1].endswith(f"/{TWO}\n")
    assert command("pull", f"org/name/{ONE}")[1].endswith(f"/{ONE}\n")
    assert command("pull", f"org/name/{ONE}", "--file", "*Q8*")[0] == 2
    assert command("pull", "org/name", "--file", "big/*")[1].endswith("/big/b-00001-of-00002.gguf\n")


def test_several_models_are_asked_for_at_a_terminal(hub, tmp_path, model_bytes, monkeypatch):
    hub.add("org/name", {ONE: b"1", TWO: model_bytes})
    environment = hub.environment(tmp_path / "home")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    status, sent = command_line.run_in_terminal("pull", "org/name", typed="three\n3\n2\n", columns=200)
    assert status == 0
    rows = [row for row in command_line.screen(sent) if row]
    assert f"  1  {ONE}  1 B" in rows and f"  2  {TWO}    397.5 kB" in rows
    assert sent.count("Which one? 1 to 2: ") == 3 and "100 %" in sent
    assert rows[-1].endswith(f"/{TWO}")
    status, sent = command_line.run_in_terminal("pull", "org/name", typed="\x04")
    assert status == 2 and "choose one of its 2 models with --file" in sent


def test_a_split_model_is_one(hub, command, tmp_path, model_bytes):
    (tmp_path / "tiny.gguf").write_bytes(model_bytes)
    (tmp_path / "sub").mkdir()
    parts = split(tmp_path / "tiny.gguf", tmp_path / "sub/m.gguf")
    files = {f"sub/{part.name}": part.read_bytes() for part in parts}
    hub.add("org/name", files)
    assert len(files) > 1 and command("pull", "org/name", "--file", "*-00002-of*")[0] == 0
    assert len(hub.sent()) == len(files)
    assert gesso.load("org/name", "cpu").config.canvas_length == 8
    files.popitem()
    hub.add("org/less", files)
    status, _, err = command("pull", "org/less")
    assert (status, err) == (
        1,
        f"gesso: org/less: it has {len(parts) - 1} of {len(parts)} parts of sub/{parts[0].name}\n",
    )


def test_a_folder_is_taken_if_there_is_no_gguf_file(hub, command, tmp_path, model_bytes):
    folder = hf_folder(tmp_path / "folder", "bf16")
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    hub.add("org/folder", files | {"picture.png": b"png", "sub/other.safetensors": b"1"})
    status, out, _ = command("pull", "org/folder")
    snapshot = Path(out.strip())
    assert status == 0 and {file.name for file in snapshot.iterdir()} == files.keys()
    assert gesso.load("org/folder", "cpu").config == gesso.load(folder, "cpu").config
    hub.add("org/both", files | {ONE: model_bytes})
    assert command("pull", "org/both")[1].endswith(f"/{ONE}\n")
    assert command("pull", "org/both", "--file", "*.safetensors")[0] == 0
    with pytest.raises(gesso.FormatError, match=f"got 2; give one of org/both/{ONE}, org/both/model"):
        gesso.load("org/both")
    assert gesso.load(f"org/both/{ONE}", "cpu").config.canvas_length == 8
    hub.add("org/none", {"README.md": b"", "model.safetensors": b""})
    assert command("pull", "org/none") == (1, "", "gesso: org/none: it has no GGUF file and no checkpoint folder\n")


def test_the_disk_must_have_room(hub, command, cache, model_bytes, monkeypatch):
    hub.add("org/name", {ONE: model_bytes})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(1000))
    status, _, err = command("pull", "org/name")
    assert status == 1 and hub.sent() == []
    needed = f"not enough space: {len(model_bytes):,} bytes are needed, 1,000 are free"
    assert err == f"gesso: {cache}/models--org--name: {needed}\n"


def test_what_is_too_large_for_one_connection(hub, command, model_bytes):
    name = "it's.gguf"  # the command is made to be pasted
    hub.add("org/name", {name: model_bytes})
    hub.told["headers"] = {"X_Linked_Size": str(51 * 10**9)}
    status, _, err = command("pull", "org/name")
    assert status == 1 and hub.sent() == []
    assert err.endswith(f"To download it: hf download org/name {shlex.quote(name)} --revision main\n")


def test_offline_and_out_of_reach(hub, command, model_bytes, monkeypatch):
    hub.add("org/name", {ONE: model_bytes})
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    expected = "gesso: org/name: offline mode is on (HF_HUB_OFFLINE), so nothing can be downloaded\n"
    assert command("pull", "org/name") == (1, "", expected) and hub.requests == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    status, _, err = command("pull", "org/name")
    assert status == 1 and err.startswith("gesso: org/name: cannot reach http://127.0.0.1:1: ")


@pytest.mark.parametrize("name", ["mini", "org/", "/x", "org/name.gguf", "a--b/c", "org/../x", "http://x/y", ""])
def test_other_names_are_refused(command, name):
    status, out, err = command("pull", name)
    assert (status, out) == (2, "") and err == f"gesso: expected a name on the hub, as org/name, got {name!r}\n"


@pytest.mark.parametrize("version", [None, "0.36.2", "1.32.9"])
def test_without_the_library(hub, command, monkeypatch, model_bytes, version):
    hub.add("org/name", {ONE: model_bytes})
    assert command("pull", "org/name")[0] == 0
    old = None if version is None else SimpleNamespace(__version__=version)
    monkeypatch.setitem(sys.modules, "huggingface_hub", old)
    problem = "the package huggingface_hub is missing" if old is None else f"huggingface_hub {version} is too old"
    for arguments in (["pull", "org/name"], ["inspect", "org/name"], ["rm", "org/name", "--yes"]):
        status, _, err = command(*arguments)
        assert status == 1 and problem in err and err.endswith("pip install 'gesso[hub]'\n")
    with pytest.raises(ModuleNotFoundError, match=problem):
        gesso.load("org/name", download=True)
    status, out, err = command("list")
    assert status == 0 and all(name in out for name in bundled_models()) and "org/name" not in out and problem in err
    assert gesso.load("mini", "cpu").config.canvas_length
