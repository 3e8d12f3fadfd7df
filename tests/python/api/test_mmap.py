"""mmap=False: a model that was read into memory does not need its files any more."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gesso
from gesso import _native
from gesso.cli.program import main
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf
from gesso.files.hf.folder import read_checkpoint
from gesso.files.tensor import Tensor, release_pages
from gesso.measure.subject import from_file
from python.expect import raises
from python.hf_folders import hf_folder
from python.split_gguf import split
from python.tiny_model import tiny_model

# Loads each model, cuts its files off, and prints what the model writes. With mmap=True the system would end the
# process with SIGBUS.
CUT_OFF = """
import json, os, sys
from pathlib import Path
import gesso

texts = []
for path in map(Path, sys.argv[1:]):
    model = gesso.load(path, "cpu", mmap=False)
    for file in path.parent.iterdir() if path.is_file() else path.iterdir():
        os.truncate(file, 0)
    texts.append(model.generate("hi", max_new_tokens=16).texts)
print(json.dumps(texts))
"""


def test_files_may_be_cut_off_after_loading(tmp_path):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = tiny_model(tmp_path / "whole" / "tiny.gguf")
    parts = split(whole, tmp_path / "parts" / "tiny.gguf")
    paths = [whole, parts[1], *(hf_folder(tmp_path / name, name) for name in ("bf16", "modelopt-nvfp4"))]
    expected = [gesso.load(path, "cpu").generate("hi", max_new_tokens=16).texts for path in paths]
    command = [sys.executable, "-c", CUT_OFF, *paths]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout) == expected


def mapped_files():
    return Path("/proc/self/maps").read_text()


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="only Linux lists what is mapped")
@pytest.mark.parametrize(
    "make", [lambda folder: tiny_model(folder / "tiny.gguf"), lambda folder: hf_folder(folder / "f")]
)
def test_what_is_mapped(tmp_path, make):
    """A mapped model takes no memory of its own. One that was read has no mapping that a writer could change."""
    path = make(tmp_path)
    model = gesso.load(path, "cpu")
    assert str(tmp_path) in mapped_files()
    del model
    model = gesso.load(path, "cpu", mmap=False)
    assert str(tmp_path) not in mapped_files()
    assert (
        model.generate([5], max_new_tokens=8).sequences
        == gesso.load(path, "cpu").generate([5], max_new_tokens=8).sequences
    )


def test_a_new_file_under_the_old_name_changes_nothing(tmp_path):
    """This is what every gesso command does that writes a file, so it is safe with mmap=True as well."""
    path = tiny_model(tmp_path / "tiny.gguf")
    model = gesso.load(path, "cpu")
    expected = model.generate([5], max_new_tokens=8).sequences
    other = tiny_model(path, seed=1)
    assert model.generate([5], max_new_tokens=8).sequences == expected
    assert gesso.load(other, "cpu").generate([5], max_new_tokens=8).sequences != expected


def test_a_file_that_is_larger_than_memory_is_refused(tmp_path):
    path = tiny_model(tmp_path / "tiny.gguf")
    os.truncate(path, 1 << 42)  # a hole of 4 TB; a parser ignores what stands behind the last tensor
    gesso.load(path, "cpu")
    with raises(MemoryError, f"reading {path} into memory needs 4398046511104 bytes, .* are free"):
        gesso.load(path, "cpu", mmap=False)


def test_a_shard_that_is_cut_off_after_its_header_was_read(tmp_path):
    folder = hf_folder(tmp_path / "f", num_shards=1)
    tensors = list(read_checkpoint(folder, mmap=False).tensors())
    os.truncate(folder / "model.safetensors", 20_000)
    with raises(OSError, "cannot read .*f/model.safetensors: it became shorter"):
        for tensor in tensors:
            tensor.to_float32()


def resident_file_bytes():
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("RssFile"))
    return int(line.split()[1]) << 10


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="only Linux tells what is resident")
def test_pages_of_a_mapped_tensor_can_be_given_back(tmp_path):
    """Quantising a file that is larger than memory depends on it. Values that were read must stay: no file has them."""
    values = np.random.default_rng(0).random((1024, 1024), np.float32)
    write_gguf(tmp_path / "a.gguf", {}, [Tensor("x", "F32", values.shape, values)])
    for mmap in (True, False):
        (tensor,) = read_gguf(tmp_path / "a.gguf", mmap=mmap).tensors()
        expected = tensor.to_float32().sum()
        before = resident_file_bytes()
        release_pages(tensor.data)
        assert before - resident_file_bytes() > (3 << 20 if mmap else -1)  # the tensor has 4 MB
        assert tensor.to_float32().sum() == expected != 0


COMMANDS = (
    ["run", "MODEL", "hi", "--max-new-tokens", "8"],
    ["inspect", "MODEL"],
    ["inspect", "--compare", "MODEL", "MODEL", "--canvases", "1"],
    ["quantize", "MODEL", "OUT", "--preset", "F16"],
    ["imatrix", "MODEL", "TEXT", "OUT"],
    ["demo", "--model", "MODEL"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
@pytest.mark.parametrize("options", [[], ["--no-mmap"]], ids=["mapped", "read"])
def test_every_command_has_the_option(tmp_path, command, options, monkeypatch, capsys):
    (tmp_path / "text").write_text("the end " * 10)
    names = {
        "MODEL": str(tiny_model(tmp_path / "tiny.gguf")),
        "TEXT": str(tmp_path / "text"),
        "OUT": str(tmp_path / "out"),
    }
    opened, open_file = [], _native.Checkpoint.open

    def record(path, mmap):
        opened.append(mmap)
        return open_file(path, mmap)

    monkeypatch.setattr(_native.Checkpoint, "open", record)
    main([names.get(word, word) for word in command] + options)
    capsys.readouterr()
    assert opened and set(opened) == {not options}


def test_convert_reads_as_well(tmp_path, capsys):
    folder = hf_folder(tmp_path / "f", "modelopt-nvfp4")
    for name, options in (("a.gguf", []), ("b.gguf", ["--no-mmap"])):
        assert main(["convert", str(folder), str(tmp_path / name), *options]) == 0
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


def test_bench_counts_what_it_reads(tmp_path):
    path = tiny_model(tmp_path / "tiny.gguf")
    assert from_file(path, "none").own_bytes == 0
    subject = from_file(path, "none", mmap=False)
    assert subject.own_bytes == subject.description["weight_bytes"] > 0
    os.truncate(path, 0)
    with raises(gesso.FormatError, "magic"):
        subject.open(lambda *_: None)
