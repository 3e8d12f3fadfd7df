"""What people name as a file: pipes, sockets, folders and devices are refused by name, and odd paths too."""

import os
import stat

import pytest

import gesso
from gesso.cli.program import main
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf
from gesso.files.hf.export import read_folder
from gesso.files.imatrix import read_imatrix
from gesso.files.regular_file import OpenFile, open_regular, read_text
from gesso.measure.subject import from_file
from python.expect import raises
from python.hf_folders import hf_folder
from python.tiny_model import tiny_model

KINDS = {"pipe": "a pipe", "socket": "a socket", "folder": "a folder", "device": "a device"}
FOLDER_FILES = [
    "config.json",
    "generation_config.json",
    "hf_quant_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
]


def make_special(path, kind):
    """Puts something at `path` that is no regular file. A device can be made by root only, so a link leads to one."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mknod(path, 0o600 | stat.S_IFSOCK)
    return path


@pytest.mark.parametrize("read", [read_gguf, read_imatrix, read_text, open_regular, gesso._native.Checkpoint.open])
@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_are_read(tmp_path, read, kind):
    """Without the check, a pipe would wait for ever and /dev/zero would never end."""
    path = make_special(tmp_path / "x.gguf", kind)
    with raises(OSError, f"cannot read {path}: expected a regular file, got {KINDS[kind]}"):
        read(os.fsencode(path) if read is gesso._native.Checkpoint.open else path)


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder"])
@pytest.mark.parametrize("name", FOLDER_FILES)
def test_only_regular_files_of_a_folder_are_read(tmp_path, name, kind):
    folder = hf_folder(tmp_path / "f")
    (folder / name).unlink(missing_ok=True)
    make_special(folder / name, kind)
    with raises(OSError, f"cannot read .*f/{name}: expected a regular file, got {KINDS[kind]}"):
        gesso.load(folder)


def test_a_shard_must_be_a_regular_file(tmp_path):
    folder = hf_folder(tmp_path / "f")
    shard = folder / "model-00002-of-00002.safetensors"
    shard.unlink()
    with raises(FileNotFoundError, "model-00002-of-00002.safetensors: shard named in .* is missing"):
        gesso.load(folder)
    os.mkfifo(shard)
    with raises(OSError, "model-00002-of-00002.safetensors: expected a regular file, got a pipe"):
        gesso.load(folder)
    shard.unlink()
    shard.symlink_to("blob")  # its download has not come to its end
    with raises(OSError, "model-00002-of-00002.safetensors: is a link to .*blob, which does not exist"):
        gesso.load(folder)


def test_commands_refuse_a_pipe(tmp_path, capsys):
    model, pipe = str(tiny_model(tmp_path / "a.gguf")), str(make_special(tmp_path / "pipe", "pipe"))
    out = str(tmp_path / "out.gguf")
    for arguments in (
        ["run", pipe, "hi"],
        ["run", model, "hi", "--chat-template", pipe],
        ["inspect", pipe],
        ["bench", pipe],
        ["quantize", pipe, out, "--preset", "F16"],
        ["quantize", model, out, "--preset", "F16", "--imatrix", pipe],
        ["imatrix", model, pipe, out],
        ["demo", "--model", pipe],
    ):
        assert main(arguments) == 1
        assert f"cannot read {pipe}: expected a regular file, got a pipe" in capsys.readouterr().err
    os.mkfifo(tmp_path / "b.gguf")
    assert main(["quantize", model, str(tmp_path / "b.gguf"), "--preset", "F16"]) == 1
    assert "b.gguf: exists and is no GGUF file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "take", [gesso.load, read_gguf, read_imatrix, read_folder, lambda path: write_gguf(path, {}, [])]
)
def test_paths_that_cannot_be(tmp_path, take, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model(tmp_path / "a.gguf")
    for path in ("a.gguf\0", b"a.gguf\0.txt", "\0"):
        with raises(gesso.ArgumentError, "path: expected no NUL character"):
            take(path)
    for path in ("", b""):
        with raises(gesso.ArgumentError, "path: expected the name of a file or folder, got an empty text"):
            take(path)
    for path in (3, None):
        with raises(TypeError, "str, bytes or os.PathLike"):
            take(path)
    with raises(FileNotFoundError, "~/a.gguf: there is no folder ~; os.path.expanduser"):
        take("~/a.gguf")
    with raises(OSError, "(too long|No such file)"):
        take("x" * 300)
    assert os.listdir(tmp_path) == ["a.gguf"]


def test_the_native_opener_refuses_a_nul_by_itself(tmp_path):
    path = os.fsencode(tiny_model(tmp_path / "a.gguf"))
    with raises(gesso.ArgumentError, "path: expected no NUL character"):
        gesso._native.Checkpoint.open(path + b"\0.txt")


def test_a_name_in_an_index_may_hold_no_nul(tmp_path):
    folder = hf_folder(tmp_path / "f")
    index = folder / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("00001-of-00002.safetensors", "00001-of-00002.safetensors\\u0000"))
    with raises(ValueError, "weight_map: expected file names in the same folder"):
        gesso.load(folder)


def test_paths_of_every_kind(tmp_path, monkeypatch):
    """Text, bytes and pathlib's paths; bytes that are no UTF-8; a folder that is called ~."""
    path = tiny_model(tmp_path / "a.gguf")
    odd = os.fsencode(tmp_path) + b"/\xff.gguf"
    os.rename(path, odd)
    (tmp_path / "~").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in (odd, os.fsdecode(odd), b"\xff.gguf"):
        assert gesso.load(name, "cpu").config.num_hidden_layers == 3
        assert len(read_gguf(name).tensors()) > 0
        write_gguf("~/copy.gguf", {}, read_gguf(name).tensors())
    os.truncate(odd, 100)
    with raises(gesso.FormatError, r"\\xff.gguf: GGUF byte"):
        gesso.load(odd)


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    opened = OpenFile(open_regular(path), mmap=False)
    assert opened.part(10, 90).tobytes() == b"x" * 80
    os.truncate(path, 50)
    assert opened.part(0, 50).tobytes() == b"x" * 50
    with raises(OSError, f"cannot read {path}: it became shorter, expected 90 bytes, got 50"):
        opened.part(10, 90)


def test_a_shard_that_is_replaced_while_it_is_read(tmp_path, monkeypatch):
    """The header is checked by path. The values must be those of the file that was checked."""
    from gesso.files.hf import shards

    folder = hf_folder(tmp_path / "f", num_shards=1)
    safe_open = shards.safe_open

    def replace(name, **options):
        os.replace(hf_folder(tmp_path / "g", num_shards=1) / "model.safetensors", folder / "model.safetensors")
        return safe_open(name, **options)

    monkeypatch.setattr(shards, "safe_open", replace)
    with raises(OSError, "model.safetensors: another file took this name"):
        gesso.load(folder)


def test_the_hash_of_a_folder_waits_for_nothing(tmp_path):
    folder = hf_folder(tmp_path / "f")
    os.mkfifo(folder / "extra.json")
    with raises(OSError, "extra.json: expected a regular file, got a pipe"):
        from_file(folder, "sampled")
