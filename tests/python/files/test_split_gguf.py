"""GGUF files that were split into parts: every reader takes any part, and every writer makes one file of them."""

import json
import os
import re
import shutil

import numpy as np
import pytest

import gesso
from gesso.cli.program import main
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf
from gesso.files.imatrix import read_imatrix
from gesso.files.tensor import Tensor
from gesso.measure.subject import from_file
from python.expect import raises
from python.split_gguf import split
from python.tiny_model import tiny_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("whole") / "tiny.gguf")


@pytest.fixture(scope="module")
def parts(whole, tmp_path_factory):
    found = split(whole, tmp_path_factory.mktemp("parts") / "tiny.gguf")
    assert [part.name for part in found] == [f"tiny-0000{number}-of-00004.gguf" for number in (1, 2, 3, 4)]
    return found


@pytest.fixture
def copies(parts, tmp_path):
    """Parts that a test may change."""
    return [shutil.copy(part, tmp_path / part.name) for part in parts]


def command(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert (status, err) == (0, ""), err
    return out


def fails(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("mmap", [True, False])
def test_any_part_loads_the_model(whole, parts, mmap):
    expected = gesso.load(whole, "cpu").generate("hi", max_new_tokens=16)
    for part in parts:
        found = gesso.load(part, "cpu", mmap=mmap).generate("hi", max_new_tokens=16)
        assert (found.texts, found.sequences) == (expected.texts, expected.sequences)


def test_a_missing_part_is_named(copies):
    os.remove(copies[2])
    with raises(FileNotFoundError, "part 3 of 4 is missing", re.escape(str(copies[2]))):
        gesso.load(copies[0])


def test_a_part_that_was_not_downloaded_to_its_end_is_named(copies):
    os.truncate(copies[3], os.path.getsize(copies[3]) - 1)
    with raises(gesso.FormatError, f"^{re.escape(str(copies[3]))}: GGUF byte .*expected data inside"):
        gesso.load(copies[0])


def test_a_part_of_another_model_is_refused(copies, tmp_path):
    other = tiny_model(tmp_path / "other.gguf", layer_types=("sliding_attention",) * 3)
    shutil.move(split(other, tmp_path / "other.gguf")[3], copies[3])
    with raises(gesso.FormatError, re.escape(str(copies[3])), "split.tensors.count", "as in part 1"):
        gesso.load(copies[0])


def test_a_renamed_part_says_what_its_name_must_be(copies, tmp_path):
    os.rename(copies[1], tmp_path / "model.gguf")
    with raises(gesso.FormatError, "model.gguf: this is part 2 of 4", "-00002-of-00004.gguf"):
        gesso.load(tmp_path / "model.gguf")


def test_parts_in_the_cache_of_the_hub(whole, parts, tmp_path):
    """There the names are links, and lead to files with other names in another folder."""
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--a--b" / "blobs").mkdir()
    for number, part in enumerate(parts):
        shutil.copy(part, tmp_path / "models--a--b" / "blobs" / f"{number:064x}")
        (snapshot / part.name).symlink_to(f"../../blobs/{number:064x}")
    model = gesso.load(snapshot / parts[1].name, "cpu")
    expected = gesso.load(whole, "cpu").generate([5], max_new_tokens=8)
    assert model.generate([5], max_new_tokens=8).sequences == expected.sequences


def test_a_copy_is_one_file_without_the_keys_of_parts(whole, parts, tmp_path):
    source = read_gguf(parts[2])
    assert source.values["split.count"] == 4
    write_gguf(tmp_path / "copy.gguf", source.metadata, source.tensors())
    assert (tmp_path / "copy.gguf").read_bytes() == whole.read_bytes()


def test_quantize_writes_what_it_writes_of_the_whole_file(whole, parts, tmp_path, capsys):
    command(capsys, "quantize", whole, tmp_path / "a.gguf", "--preset", "Q8_0")
    command(capsys, "quantize", parts[1], tmp_path / "b.gguf", "--preset", "Q8_0")
    command(capsys, "quantize", parts[3], tmp_path / "c.gguf", "--preset", "Q8_0", "--no-mmap")
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.gguf", "b.gguf", "c.gguf"))
    assert a == b == c


def test_no_part_is_overwritten(copies, tmp_path, capsys):
    """Also the parts that were not named."""
    (tmp_path / "text").write_text("the end " * 20)
    before = [os.stat(copy).st_ino for copy in copies]
    for target in copies:
        assert "the file to write is the one to read" in fails(capsys, "quantize", copies[0], target, "--preset", "F16")
        assert "the file to write is the one to read" in fails(capsys, "imatrix", copies[0], tmp_path / "text", target)
    assert [os.stat(copy).st_ino for copy in copies] == before


def test_inspect_shows_the_whole_model(whole, parts, capsys):
    texts = [command(capsys, "inspect", path, "--json", "--tensors") for path in (whole, parts[1])]
    of_whole, of_parts = map(json.loads, texts)
    assert of_parts["tensors"] == of_whole["tensors"] and of_parts["problem"] is None
    assert of_parts["file_bytes"] == sum(part.stat().st_size for part in parts)
    assert of_parts["metadata"]["split.count"] == 4
    compared = json.loads(command(capsys, "inspect", "--compare", whole, parts[0], "--canvases", "0", "--json"))
    assert {tensor["max_abs"] for tensor in compared["tensors"]} == {0}
    assert (compared["only_in_a"], compared["only_in_b"]) == ([], [])


def test_imatrix_takes_a_part(whole, parts, tmp_path, capsys):
    (tmp_path / "text").write_text("the end " * 20)
    for path, out in ((whole, "a"), (parts[2], "b")):
        assert main(["imatrix", str(path), str(tmp_path / "text"), str(tmp_path / out)]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_bench_takes_a_part(whole, copies):
    """Sizes and hash are those of all parts."""
    subject = from_file(copies[2], "full")
    assert subject.description["weight_bytes"] == from_file(whole, "none").description["weight_bytes"]
    assert subject.description["file_bytes"] == sum(os.path.getsize(copy) for copy in copies)
    assert subject.files == tuple(copies)
    assert len(subject.open(lambda *_: None).tensors) == len(read_gguf(whole).tensors())
    with open(copies[3], "r+b") as file:  # the last byte of the last tensor
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    assert from_file(copies[0], "full").description["hash"] != subject.description["hash"]


def test_an_importance_matrix_in_parts(tmp_path):
    tensors = []
    for name in ("a", "b"):
        tensors.append(Tensor(f"{name}.in_sum2", "F32", (1, 3), np.array([[2, 4, 6]], np.float32)))
        tensors.append(Tensor(f"{name}.counts", "F32", (1, 1), np.array([[2]], np.float32)))
    write_gguf(tmp_path / "i.gguf", {"general.architecture": "imatrix", "general.type": "imatrix"}, tensors)
    found = read_imatrix(split(tmp_path / "i.gguf", tmp_path / "i.gguf", 1)[-1])
    assert {name: values.tolist() for name, values in found.items()} == {"a": [1, 2, 3], "b": [1, 2, 3]}
