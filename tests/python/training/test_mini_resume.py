"""What a training of the small model "mini" goes on from, where torch is installed: its state, its log, its weights."""

import os
import stat
import sys

import pytest

pytest.importorskip("torch", reason="torch, which only training needs, is not installed")

import export_mini
import torch
import train_mini
from mini.checkpoint import Progress, save_weights
from mini.export import write_folder
from mini.model import Mini
from mini.sizes import Sizes
from mini.trainer import Plan, Trainer

from python.training.test_mini_training import PLAN, curve, two_threads  # noqa: F401 (a fixture)


def trainer(work, **plan):
    return Trainer(Plan(**{**PLAN, **plan}), work, None, torch.bfloat16)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run that stopped behind its second step."""
    work = tmp_path_factory.mktemp("run")
    curve(work, steps=2)
    return work


@pytest.fixture
def work(run, tmp_path):
    for name in ("state.pt", "log.jsonl"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    return tmp_path


def test_what_a_killed_run_has_logged_is_not_logged_twice(work):
    with open(work / "log.jsonl", "a") as log:
        log.write('{"step": 3, "loss": 1.0}\n{"step": 4, "lo')
    assert [line["step"] for line in curve(work, steps=4)] == [1, 2, 3, 4]


def test_a_run_that_was_killed_before_its_first_save_begins_anew(work):
    (work / "state.pt").unlink()
    assert [line["step"] for line in curve(work, steps=1)] == [1]


@pytest.mark.parametrize("change", [{"seed": 5}, {"batch": 8}])
def test_a_run_goes_on_with_its_own_data(work, change):
    (name, value), *_ = change.items()
    with pytest.raises(ValueError, match=rf"state\.pt: this run was started with --{name} {PLAN[name]}, got {value};"):
        trainer(work, **change)


def test_a_state_that_does_not_say_its_seed_is_taken(work):
    state = torch.load(work / "state.pt")
    torch.save({name: state[name] for name in state.keys() - {"seed", "batch"}}, work / "state.pt")
    assert trainer(work, seed=5).step == 2


def damaged_states(work):
    """Files in place of a state."""
    whole, state = (work / "state.pt").read_bytes(), torch.load(work / "state.pt")
    other = state | {"average": {name: torch.ones(1) for name in state["average"]}}
    yield from (b"", whole[: len(whole) // 2], whole[:-100], b"some text\n", b"PK\x03\x04" + bytes(100))
    yield from (["a", "list"], torch.ones(3), {"step": 1}, state | {"weights": {}}, state | {"step": "x"}, other)
    yield state | {"optimizer": {"muon": [], "adam": None}}


def test_a_damaged_or_foreign_state_is_named(work):
    file = work / "state.pt"
    count = 0
    for content in damaged_states(work):
        file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
        with pytest.raises(ValueError, match="state that a training has saved: ") as error:
            trainer(work)
        assert str(error.value).startswith(f"{file}: expected the state") and "\n" not in str(error.value)
        count += 1
    assert count == 12


def test_weights_of_another_model_are_named(tmp_path):
    file = tmp_path / "weights.safetensors"
    save_weights(file, {"norm.weight": torch.ones(256)}, Progress())
    with pytest.raises(ValueError, match=r"weights\.safetensors: expected weights of this model: .*other tensors"):
        Trainer(Plan(**PLAN), tmp_path, file, torch.bfloat16)


def call(script, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [script.__name__, *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        script.main()
    return end.value.code


def test_the_script_ends_with_one_line(tmp_path, monkeypatch, capsys):
    file = tmp_path / "file"
    file.write_text("")
    for work in (file, file / "work"):
        assert call(train_mini, monkeypatch, "--work", work, "--steps", 1) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert str(work) in line
    (tmp_path / "state.pt").write_bytes(b"")
    assert call(train_mini, monkeypatch, "--work", tmp_path, "--steps", 1) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / 'state.pt'}: expected the state that a training has saved" in line


@pytest.mark.parametrize("name", ["raw", "mini.bin", "folder.gguf"])
def test_an_export_needs_the_name_of_a_gguf_file(tmp_path, monkeypatch, capsys, name):
    (tmp_path / "folder.gguf").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert call(export_mini, monkeypatch, "--weights", tmp_path / "w", "--out", tmp_path / name) == 2
    error = capsys.readouterr().err
    assert "--out: expected the name of a GGUF file, such as " in error and f"got {tmp_path / name}" in error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("mask", [0o022, 0o027])
def test_files_have_the_usual_mode(tmp_path, mask):
    before = os.umask(mask)
    try:
        save_weights(tmp_path / "weights.safetensors", {"norm.weight": torch.ones(256)}, Progress())
        weights = dict(Mini(Sizes(vocab=64)).named_parameters())
        write_folder(tmp_path / "folder", weights, Sizes(vocab=64))
    finally:
        os.umask(before)
    for file in (tmp_path / "weights.safetensors", tmp_path / "folder" / "model.safetensors"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~mask
