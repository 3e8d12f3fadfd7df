"""The models that come with the package are found by short names, unless a file or a folder has the name."""

import os
import shutil
from pathlib import Path

import pytest

import gesso
from gesso.files.locate import locate
from gesso.files.short_names import FOLDER, bundled_models, find_bundled
from python.command_line import run
from python.tiny_model import tiny_model

SUDOKU = "sudoku-6x6"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_each_bundled_file_has_a_name():
    assert SUDOKU in bundled_models()
    for name, file in bundled_models().items():
        assert locate(name) == file
        assert file.parent == FOLDER and file.is_file()


@pytest.mark.parametrize("name", [SUDOKU, SUDOKU.encode(), Path(SUDOKU)])
def test_a_name_may_have_each_type_of_paths(name):
    assert gesso.load(name, "cpu").config.canvas_length == 36


def test_a_file_or_folder_of_that_name_wins(tmp_path):
    own = tiny_model(tmp_path / "tiny.gguf", canvas_length=8)
    shutil.copy(own, SUDOKU)
    assert gesso.load(SUDOKU, "cpu").config.canvas_length == 8
    os.remove(SUDOKU)
    os.mkdir(SUDOKU)
    shutil.copy(own, f"{SUDOKU}/tiny.gguf")
    assert gesso.load(SUDOKU, "cpu").config.canvas_length == 8
    shutil.rmtree(SUDOKU)
    os.symlink("nowhere", SUDOKU)
    with pytest.raises(FileNotFoundError, match="No such file or directory$"):
        gesso.load(SUDOKU)


@pytest.mark.parametrize("path", [f"./{SUDOKU}", f"{SUDOKU}/", f"{SUDOKU}.gguf", os.path.abspath(SUDOKU)])
def test_a_path_is_no_name(path):
    with pytest.raises(FileNotFoundError, match="No such file or directory$"):
        gesso.load(path)


def test_an_unknown_name_lists_those_that_there_are(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.gguf").touch()
    with pytest.raises(FileNotFoundError, match="and gesso has only these models: a, b: 'c'") as caught:
        find_bundled("c", tmp_path)
    assert caught.value.filename == "c"
    status, out, err = run("inspect", "sudoku")
    names = ", ".join(bundled_models())
    assert (status, out) == (1, "")
    assert err == f"gesso: sudoku: No such file or directory, and gesso has only these models: {names}\n"


def test_commands_take_names(tmp_path):
    assert "36" in run("inspect", SUDOKU)[1]
    status, _, err = run("quantize", SUDOKU, str(tmp_path / "small.gguf"), "--preset", "Q8_0")
    assert (status, (tmp_path / "small.gguf").is_file()) == (0, True), err
    assert run("inspect", "--compare", SUDOKU, "small.gguf")[0] == 0
    status, out, err = run("run", SUDOKU, "--raw", "1" * 36, "--threads", "1", "--max-new-tokens", "36")
    assert (status, len(out.strip())) == (0, 36), err
