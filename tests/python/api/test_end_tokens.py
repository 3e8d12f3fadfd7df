"""Which tokens end a text: those that a checkpoint lists, or those that it names and that end a turn."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import pytest

import gesso
from gesso.cli.program import main
from python.expect import raises
from python.tiny_model import EOS, VOCABULARY, tiny_model

pytest.importorskip("ml_dtypes")

from python import hf_folders
from python.hf_folders import hf_folder

TURN_END, RESPONSE = "<turn|>", "<|tool_response>"
IDS = {"<eos>": 1, TURN_END: 106, RESPONSE: 50}  # as in the released model
assert {VOCABULARY[EOS], VOCABULARY[6]} == {"<eos>", TURN_END}


def tokenizer(names: dict[str, int]):
    """A tokenizer whose special tokens that end a turn have these ids. Others keep their ids or move behind the end."""
    tokens = [token for token in VOCABULARY if token not in IDS]
    by_id = {i: token for token, i in names.items()}
    order = []
    while len(order) < len(VOCABULARY):
        order.append(by_id[len(order)] if len(order) in by_id else tokens.pop(0) if tokens else f"<x{len(order)}>")
    whole = hf_folders.tokenizer()
    whole["model"]["vocab"] = {token: i for i, token in enumerate(order)}
    special = ("<pad>", "<bos>", "<unk>", "<mask>", "<|turn>", "<|image|>", *names)
    whole["added_tokens"] = [{"id": i, "content": t, "special": True} for i, t in enumerate(order) if t in special]
    return whole


@pytest.fixture
def folder(tmp_path):
    """Writes a folder: `folder(names, config={...}, generation={...})`."""

    def write(names=None, config=None, text=None, generation=None):
        path = hf_folder(tmp_path / "folder", num_shards=1)
        if names is None:
            (path / "tokenizer.json").unlink()
        else:
            (path / "tokenizer.json").write_text(json.dumps(tokenizer(names)))
        whole = json.loads((path / "config.json").read_text()) | (config or {})
        whole["text_config"] |= text or {}
        (path / "config.json").write_text(json.dumps(whole))
        if generation is not None:
            (path / "generation_config.json").write_text(json.dumps(generation))
        return path

    return write


def ends(path):
    return list(gesso.load(path).config.end_token_ids)


@pytest.mark.parametrize(
    ("names", "config", "expected"),
    [
        (IDS, {}, [1, 50, 106]),
        (IDS, {"eos_token_id": [1, 106]}, [1, 106, 50]),
        (IDS, {"eos_token_id": 1}, [1, 50, 106]),
        (IDS, {"eos_token_id": [9]}, [9, 1, 50, 106]),
        (IDS, {"eos_token_id": [106, 1, 1, 106]}, [106, 1, 50]),
        (IDS, {"eos_token_id": None}, [1, 50, 106]),
        ({"<eos>": 1, TURN_END: 106}, {}, [1, 106]),
        ({"<eos>": 1, TURN_END: 7}, {"eos_token_id": [1, 106]}, [1, 106, 7]),
        ({"<eos>": 1}, {}, [1]),
        ({}, {"eos_token_id": [3, 100000]}, [3]),
        (None, {}, [1]),
        (None, {"eos_token_id": [1, 106]}, [1, 106]),
    ],
)
def test_folders_without_a_generation_config(folder, names, config, expected):
    """The text config's default is 1. Ids outside of the vocabulary of 370 tokens are never drawn."""
    assert ends(folder(names, config)) == expected


def test_a_list_that_nothing_remains_of_is_refused(folder):
    """A chat would run on without an end. An empty list is a choice."""
    with raises(gesso.FormatError, "generation_config.json: eos_token_id: expected an id below vocab_size 369"):
        gesso.load(folder(IDS, generation={"eos_token_id": [99999]}))


def test_the_tokenizers_end_counts(folder):
    path = folder(IDS)
    (path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<mask>"}))
    assert ends(path) == [1, tokenizer(IDS)["model"]["vocab"]["<mask>"], 50, 106]


def test_the_text_config_counts_as_well(folder):
    assert ends(folder({"<eos>": 1}, {"eos_token_id": [5]}, {"eos_token_id": [7, 5]})) == [5, 7, 1]


@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        ({}, [9, 1, 50, 106]),
        ({"eos_token_id": None}, [9, 1, 50, 106]),
        ({"eos_token_id": 3}, [3]),
        ({"eos_token_id": [1, 106, 50]}, [1, 106, 50]),
        ({"eos_token_id": [3, 3]}, [3]),
        ({"eos_token_id": []}, []),
    ],
)
def test_a_generation_config_that_lists_them_decides(folder, generation, expected):
    assert ends(folder(IDS, {"eos_token_id": [9]}, generation=generation)) == expected


@pytest.mark.parametrize("value", [True, "1", [1, "106"], [1, True], -1, [1.5], {"id": 1}])
@pytest.mark.parametrize("file", ["config", "generation"])
def test_ids_that_are_none_are_named(folder, file, value):
    with raises(ValueError, f"{file}(_config)?.json: eos_token_id: expected token ids, got "):
        ends(folder(IDS, **{file: {"eos_token_id": value}}))


def test_the_converter_writes_them(folder, tmp_path):
    path = folder(IDS, {"eos_token_id": [1, 106]})
    assert main(["convert", str(path), str(tmp_path / "out.gguf")]) == 0
    field = gguf.GGUFReader(tmp_path / "out.gguf").fields["gesso.end_token_ids"]
    assert field.contents() == [1, 106, 50]
    assert ends(tmp_path / "out.gguf") == [1, 106, 50]


def test_the_converter_writes_that_there_are_none(folder, tmp_path):
    path = folder(IDS, generation={"eos_token_id": []})
    assert main(["convert", str(path), str(tmp_path / "out.gguf")]) == 0
    assert ends(tmp_path / "out.gguf") == []
    assert "gesso.end_token_ids" in gguf.GGUFReader(tmp_path / "out.gguf").fields


def gguf_ends(tmp_path, changes):
    return ends(tiny_model(tmp_path / "x.gguf", metadata={"gesso.end_token_ids": None} | changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [1, 6]),
        ({"tokenizer.ggml.eos_token_id": None}, [1, 6]),
        ({"tokenizer.ggml.eos_token_id": 6}, [6, 1]),
        ({"tokenizer.ggml.eos_token_id": 9}, [9, 1, 6]),
        ({"tokenizer.ggml.eot_token_id": 6}, [1, 6]),
        ({"tokenizer.ggml.eot_token_id": 9, "tokenizer.ggml.eom_token_id": 8}, [1, 9, 8, 6]),
        ({"gesso.end_token_ids": [4, 5, 4]}, [4, 5]),
        ({"gesso.end_token_ids": [1]}, [1]),
    ],
)
def test_gguf_files(tmp_path, changes, expected):
    assert gguf_ends(tmp_path, changes) == expected


@pytest.mark.parametrize("key", ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id", "gesso.end_token_ids"])
@pytest.mark.parametrize("value", [len(VOCABULARY), 2**31 - 1, "x"])
def test_ids_of_gguf_files_are_of_the_vocabulary(tmp_path, key, value):
    with raises(gesso.FormatError, key, "expected"):
        gguf_ends(tmp_path, {key: [value] if key.startswith("gesso") else value})


def test_a_gguf_file_without_tokens_has_the_ids_that_it_names(tmp_path):
    without = {"gesso.end_token_ids": None}
    model = tiny_model(tmp_path / "a.gguf", tokenizer=False, metadata=without | {"tokenizer.ggml.eos_token_id": 9})
    assert ends(model) == [9]
    assert ends(tiny_model(tmp_path / "b.gguf", tokenizer=False, metadata=without)) == [1, 106, 50]


def test_the_bundled_model_keeps_its_own():
    assert ends(Path(gesso.__file__).parent / "bundled/sudoku-6x6.gguf") == [1]
