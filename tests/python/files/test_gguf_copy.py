"""From GGUF to GGUF: whatever is not converted on purpose is copied bit for bit."""

import os

import pytest

from gesso import _native
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf
from python.expect import raises
from python.files import test_gguf_reader


def encoded(path):
    checkpoint = _native.Checkpoint.open(os.fsencode(path))
    return {key: checkpoint.encoded_value(key) for key in checkpoint.metadata}


def test_metadata_of_every_kind_survives(tmp_path):
    """Python's values do not show everything that a file can hold.

    Examples are the widths of numbers, bools in arrays, empty and nested arrays, and text that is not UTF-8.
    """
    path, copy = tmp_path / "a.gguf", tmp_path / "b.gguf"
    data = test_gguf_reader.small_file()
    path.write_bytes(data.replace(b"\0\xc3\xa4", b"\0\xff\xa4"))  # one string is not UTF-8
    source = read_gguf(path)
    write_gguf(copy, source.metadata, source.tensors())
    assert len(encoded(path)) == 18
    added = {"general.quantization_version": b"\4\0\0\0\2\0\0\0"}
    assert encoded(copy) == encoded(path) | added
    one, two = read_gguf(copy).tensors()
    assert (one.dtype, one.shape, one.data.tobytes()) == ("F32", (3, 2), bytes(range(24)))
    assert (two.dtype, two.shape, two.data.tobytes()) == ("Q8_0", (32,), bytes(range(34)))


def test_a_key_that_is_no_text_can_be_read_over_but_not_copied(tmp_path):
    keys = [test_gguf_reader.number("nothing", test_gguf_reader.U32, 1)]
    (tmp_path / "a.gguf").write_bytes(test_gguf_reader.file(keys, []).replace(b"nothing", b"n\xffthing"))
    source = read_gguf(tmp_path / "a.gguf")
    assert source.tensors() == []
    with raises(ValueError, "a.gguf: metadata key .*xffthing: expected UTF-8"):
        source.metadata  # noqa: B018


def test_the_copy_has_its_own_alignment(tmp_path):
    keys = [test_gguf_reader.number("general.alignment", test_gguf_reader.U32, 64)]
    entries = [test_gguf_reader.entry(name, [1], 0, offset) for name, offset in (("a", 0), ("b", 64))]
    head = test_gguf_reader.file(keys, entries)
    (tmp_path / "a.gguf").write_bytes(head + bytes(-len(head) % 64) + b"abcd" + bytes(60) + b"efgh")
    source = read_gguf(tmp_path / "a.gguf")
    write_gguf(tmp_path / "b.gguf", source.metadata, source.tensors())
    assert "general.alignment" not in encoded(tmp_path / "b.gguf")
    assert [tensor.data.tobytes() for tensor in read_gguf(tmp_path / "b.gguf").tensors()] == [b"abcd", b"efgh"]


def test_a_changed_value_replaces_the_old_one(tmp_path):
    (tmp_path / "a.gguf").write_bytes(test_gguf_reader.small_file())
    source = read_gguf(tmp_path / "a.gguf")
    write_gguf(tmp_path / "b.gguf", source.metadata | {"u8": 7}, [])
    assert encoded(tmp_path / "b.gguf")["u8"] == b"\4\0\0\0\7\0\0\0"


@pytest.mark.parametrize("content", [b"", b"GGUF", b"x" * 100])
def test_what_is_no_gguf_file_is_refused(tmp_path, content):
    (tmp_path / "a.gguf").write_bytes(content)
    with raises(ValueError, "a.gguf"):
        read_gguf(tmp_path / "a.gguf")
