"""Models in the hub's cache: gesso.load and commands find them, `gesso list` shows them, `gesso rm` removes them."""

import json
import os
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants, hf_hub_download

import gesso
from gesso.files.short_names import bundled_models
from python import command_line
from python.expect import raises
from python.tiny_model import tiny_model

ONE, TWO = "model-Q4_K_M.gguf", "model-Q8_0.gguf"
PULL = "No such file or directory, and no such model in the hub's cache. To download it: gesso pull"


@pytest.fixture(scope="session")
def other_bytes(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("other") / "tiny.gguf", canvas_length=16).read_bytes()


def canvas(name, **options):
    return gesso.load(name, "cpu", **options).config.canvas_length


def test_load_downloads_only_if_it_is_told_to(hub, model_bytes):
    hub.add("org/name", {ONE: model_bytes})
    with raises(FileNotFoundError, f"{PULL} org/name"):
        gesso.load("org/name")
    with raises(FileNotFoundError, f"{PULL} org/name --file 'a b.gguf'"):
        gesso.load("org/name/a b.gguf")
    assert hub.requests == []
    seen = []
    assert canvas("org/name", download=True, on_progress=lambda *numbers: seen.append(numbers)) == 8
    assert seen[-1] == (len(model_bytes), len(model_bytes))
    count = len(hub.requests)
    for name in ("org/name", b"org/name", Path("org/name"), f"org/name/{ONE}"):
        assert canvas(name) == canvas(name, download=True) == 8
    assert len(hub.requests) == count, "what is in the cache is not asked for"


def test_load_says_which_model_it_downloads(hub, model_bytes, other_bytes):
    hub.add("org/name", {ONE: model_bytes, TWO: other_bytes, "odd[1].gguf": model_bytes})
    with raises(
        gesso.ArgumentError, f"org/name: expected one model, got 3; give one of org/name/{ONE}, org/name/{TWO}, "
    ):
        gesso.load("org/name", download=True)
    with raises(FileNotFoundError, f"{PULL} org/name --file {TWO}"):
        gesso.load(f"org/name/{TWO}")
    assert canvas(f"org/name/{TWO}", download=True) == 16
    assert canvas("org/name") == 16, "the only one that is here"
    assert canvas("org/name/odd[1].gguf", download=True) == 8
    with raises(gesso.FormatError, f"got 2; give one of org/name/{TWO}, org/name/odd"):
        gesso.load("org/name")
    with raises(ValueError, "org/name: no model fits 'gone.gguf'"):
        gesso.load("org/name/gone.gguf", download=True)


def test_an_interrupted_load_goes_on(hub, model_bytes):
    hub.add("org/name", {ONE: model_bytes})
    hub.broken = [100_000, 0, 0, 0, 0, 0]
    with raises(ConnectionError, "The next time it goes on from there"):
        gesso.load("org/name", download=True)
    assert canvas("org/name", download=True) == 8
    assert hub.sent()[-1].range == "bytes=100000-"


def test_an_error_of_the_callback_comes_through(hub, model_bytes):
    def stop(done, total):
        raise ValueError("enough")

    hub.add("org/name", {ONE: model_bytes})
    with raises(ValueError, "^enough$"):
        gesso.load("org/name", download=True, on_progress=stop)
    assert canvas("org/name", download=True) == 8


def test_a_path_wins(hub, command, tmp_path, model_bytes, other_bytes):
    hub.add("org/name", {ONE: model_bytes})
    assert command("pull", "org/name")[0] == 0 and canvas("org/name") == 8
    hub.requests.clear()
    (tmp_path / "org").mkdir()
    (tmp_path / "org/name").write_bytes(other_bytes)
    assert canvas("org/name") == canvas("org/name", download=True) == 16
    hub.add("org/other", {ONE: model_bytes})
    os.rename("org/name", "org/other")
    assert canvas("org/other", download=True) == 16, "nor is it downloaded if the cache does not have it"
    os.rename("org/other", "org/name")
    os.remove("org/name")
    os.mkdir("org/name")
    (tmp_path / "org/name/own.gguf").write_bytes(other_bytes)
    assert canvas("org/name") == canvas("org/name/own.gguf") == canvas("org/name", download=True) == 16
    shutil.rmtree("org/name")
    os.symlink("nowhere", "org/name")
    with raises(FileNotFoundError, "No such file or directory"):
        gesso.load("org/name", download=True)
    assert hub.requests == []


def test_the_cache_is_the_librarys(hub, command, cache, model_bytes):
    """What other programs have downloaded is found, and what gesso has downloaded is found by them."""
    hub.add("org/name", {ONE: model_bytes, "config.json": b"{}"})
    hf_hub_download("org/name", ONE)
    assert canvas("org/name") == 8
    count = len(hub.sent())
    assert command("pull", "org/name")[0] == 0 and len(hub.sent()) == count
    hub.add("org/mine", {ONE: model_bytes})
    path = command("pull", "org/mine")[1].strip()
    hub.repositories.clear()
    assert hf_hub_download("org/mine", ONE, local_files_only=True) == path
    assert os.readlink(path).startswith("../../blobs/")


def test_a_missing_cache_and_a_model_without_files(hub, command, cache, tmp_path):
    assert not cache.exists() and command("list")[0] == 0
    assert command("rm", "org/name", "--yes")[2] == f"gesso: org/name: it is not in the hub's cache {cache}\n"
    hub.add("org/name", {"config.json": b"{}"})
    hf_hub_download("org/name", "config.json")
    with raises(FileNotFoundError, f"{PULL} org/name"):
        gesso.load("org/name")
    shutil.rmtree(cache)
    cache.write_text("a file")
    for arguments in (["list"], ["pull", "org/name"], ["inspect", "org/name"], ["rm", "org/name", "--yes"]):
        assert command(*arguments)[0] == 1


def test_list(hub, command, cache, model_bytes):
    foreign = model_bytes.replace(b"diffusion-gemma", b"confusion-gemma")
    commit = hub.add("org/name", {ONE: model_bytes, TWO: foreign})
    old = hub.add("org/name", {ONE: model_bytes}, revision="v1")
    for arguments in (["--file", "*Q8*"], ["--file", "*Q4*"], ["--revision", "v1"]):
        assert command("pull", "org/name", *arguments)[0] == 0
    snapshot = cache / "models--org--name/snapshots"
    (snapshot / commit / "red\x1b[31m\n.gguf").write_bytes(b"GGUF")
    status, out, err = command("list")
    assert (status, err) == (0, "")
    rows = [line.split(maxsplit=5) for line in out.splitlines()]
    assert rows[0] == ["name", "file", "size", "gesso", "can", "load it  path"]
    assert [row[0] for row in rows[1 : 1 + len(bundled_models())]] == list(bundled_models())
    assert ["org/name", ONE, "397.5", "kB", "yes", str(snapshot / commit / ONE)] in rows
    assert ["org/name", TWO, "397.5", "kB", "no", str(snapshot / commit / TWO)] in rows
    assert out.count("\n") == len(rows) == 1 + len(bundled_models()) + 4

    found = json.loads(command("list", "--json")[1])
    models = {(each["name"], each["file"], each["revision"]): each for each in found["models"]}
    assert found["partial"] == [] and len(models) == len(bundled_models()) + 4
    mini = bundled_models()["mini"]
    assert models["mini", "mini.gguf", None] == {
        "name": "mini", "file": "mini.gguf", "size": mini.stat().st_size, "path": str(mini), "bundled": True,
        "revision": None, "refs": [], "problem": None,
    }  # fmt: skip
    one, two = models["org/name", ONE, commit], models["org/name", TWO, commit]
    assert (one["size"], one["refs"], one["bundled"], one["problem"]) == (len(model_bytes), ["main"], False, None)
    assert "confusion-gemma" in two["problem"] and models["org/name", ONE, old]["refs"] == ["v1"]


def test_list_says_what_it_cannot_read(hub, command, cache, model_bytes):
    hub.add("org/name", {ONE: model_bytes})
    assert command("pull", "org/name")[0] == 0
    (cache / "models--org--name/refs/gone").write_text("0" * 40)
    status, out, err = command("list")
    assert status == 0 and "org/name" not in out
    assert err.startswith("gesso: warning: Reference(s) refer to missing commit hashes")
    status, out, _ = command("rm", "org/name", "--yes")
    assert (status, out) == (0, "removed org/name (no whole model), 397.5 kB\n")
    assert not (cache / "models--org--name").exists()


def size_of(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if not file.is_symlink())


def test_rm_frees_that_model_alone(hub, command, cache, model_bytes, other_bytes):
    files = {ONE: model_bytes, TWO: other_bytes}
    hub.add("org/name", files)
    hub.add("org/keep", files)
    for name in ("org/name", "org/keep"):
        for pattern in ("*Q4*", "*Q8*"):
            assert command("pull", name, "--file", pattern)[0] == 0
    kept = size_of(cache / "models--org--keep")
    what = f"org/name ({ONE}), {len(model_bytes) / 1000:.1f} kB"
    expected = f"gesso: this removes {what}; give --yes, since nobody can be asked\n"
    assert command("rm", "org/name", "--file", "*Q4*") == (2, "", expected)
    assert command("rm", "org/name", "--file", "*Q4*", "--yes") == (0, f"removed {what}\n", "")
    blobs = list((cache / "models--org--name/blobs").iterdir())
    assert [blob.read_bytes() for blob in blobs] == [other_bytes] and canvas("org/name") == 16
    status, _, err = command("rm", "org/name", "--file", "*Q4*", "--yes")
    assert status == 1 and err.endswith("with a model that fits '*Q4*'\n")
    assert command("rm", f"org/name/{TWO}", "--yes")[0] == 0
    assert list((cache / "models--org--name/blobs").iterdir()) == []
    assert command("rm", "org/name", "--yes")[:2] == (0, "removed org/name (no whole model), 0 B\n")
    assert not (cache / "models--org--name").exists()
    assert size_of(cache / "models--org--keep") == kept


def test_rm_of_a_model_whose_copy_has_the_same_commits(hub, command, cache, model_bytes):
    for name in ("org/a", "org/b", "org/c"):
        hub.add(name, {ONE: model_bytes})
        hub.repositories[name].files = {"1" * 40: {ONE: model_bytes}}
        hub.repositories[name].revisions = dict.fromkeys(("main", "1" * 40), "1" * 40)
        assert command("pull", name)[0] == 0
    for gone, left in (("b", {"a", "c"}), ("a", {"c"}), ("c", set())):
        assert command("rm", f"org/{gone}", "--yes")[:2] == (0, f"removed org/{gone} ({ONE}), 397.5 kB\n")
        assert {folder.name[-1] for folder in cache.glob("models--*")} == left


def test_rm_keeps_what_another_revision_needs(hub, command, cache, model_bytes, other_bytes):
    hub.add("org/name", {ONE: model_bytes, TWO: other_bytes})
    assert command("pull", "org/name", "--file", "*Q4*")[0] == command("pull", "org/name", "--file", "*Q8*")[0] == 0
    hub.add("org/name", {ONE: model_bytes, "x.gguf": other_bytes})
    assert command("pull", "org/name", "--file", "x*")[0] == 0
    assert command("rm", "org/name", "--file", "*Q8*", "--yes")[:2] == (0, f"removed org/name ({TWO}), 0 B\n")
    assert canvas("org/name/x.gguf") == 16


def test_rm_of_an_unfinished_download(hub, command, cache, model_bytes):
    hub.add("org/name", {ONE: model_bytes})
    hub.broken = [100_000, 0, 0, 0, 0, 0]
    assert command("pull", "org/name")[0] == 1
    assert command("rm", "org/name", "--yes")[:2] == (0, "removed org/name (no whole model), 100.0 kB\n")
    assert not (cache / "models--org--name").exists()


@pytest.mark.parametrize("answer", ["y\n", "\n"])
def test_rm_asks(hub, command, cache, tmp_path, model_bytes, monkeypatch, answer):
    hub.add("org/name", {ONE: model_bytes})
    assert command("pull", "org/name")[0] == 0
    for name, value in hub.environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    status, sent = command_line.run_in_terminal("rm", "org/name", typed=answer, columns=100)
    assert f"Remove org/name ({ONE}), 397.5 kB? [y/N] " in sent
    is_gone = answer == "y\n"
    assert status == (0 if is_gone else 1) and (cache / "models--org--name").exists() != is_gone


@pytest.mark.parametrize("name", ["mini", "sudoku-6x6", "model.gguf", "/etc/passwd", "../x", ""])
def test_rm_refuses_what_is_not_from_a_hub(command, tmp_path, name):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    status, out, err = command("rm", name, "--yes")
    assert (status, out) == (2, "") and (tmp_path / "model.gguf").exists() and bundled_models()["mini"].exists()
    bundled = f"gesso: {name} comes with gesso and cannot be removed\n"
    expected = (
        bundled if name in bundled_models() else f"gesso: expected a name on the hub, as org/name, got {name!r}\n"
    )
    assert err == expected


def test_other_commands_take_names(hub, command, tmp_path, model_bytes, monkeypatch):
    hub.add("org/name", {ONE: model_bytes})
    assert command("pull", "org/name")[0] == 0
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "diffusion-gemma" in command("inspect", "org/name")[1]
    assert command("quantize", "org/name", str(tmp_path / "q.gguf"), "--preset", "Q8_0")[0] == 0
    status, _, err = command("convert", "org/name", str(tmp_path / "x.gguf"))
    assert status == 1 and "expected a Hugging Face folder" in err
