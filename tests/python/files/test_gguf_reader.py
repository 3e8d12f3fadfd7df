"""The native GGUF reader: it reads valid files as the package `gguf` does, and refuses broken files without harm."""

import struct
import tempfile
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso import _ops

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
STRUCT_CODES = "BbHhIif?..Qqd"  # the module `struct`'s code for each of these types that is a number


# These functions build files byte by byte. They do not check their arguments, so they can build broken files.


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


def number(name, kind, value):
    return text(name) + struct.pack("<I" + STRUCT_CODES[kind], kind, value)


def string(name, value):
    return text(name) + struct.pack("<I", STRING) + text(value)


def array(name, kind, count, content=b""):
    return text(name) + struct.pack("<IIQ", ARRAY, kind, count) + content


def entry(name, extents, kind, offset):
    return text(name) + struct.pack(f"<I{len(extents)}QIQ", len(extents), *extents, kind, offset)


def file(keys=(), entries=(), data=b"", magic=b"GGUF", version=3, num_tensors=None, num_keys=None):
    num_tensors = len(entries) if num_tensors is None else num_tensors
    num_keys = len(keys) if num_keys is None else num_keys
    head = magic + struct.pack("<IQQ", version, num_tensors, num_keys) + b"".join(keys) + b"".join(entries)
    return head + (b"\0" * (-len(head) % 32) + data if data else b"")


def small_file(version=3):
    """Builds a file with one value of each type. It ends with the last byte of the last tensor."""
    keys = [
        string("general.architecture", "test"),
        number("u8", U8, 200),
        number("i8", I8, -100),
        number("u16", U16, 60000),
        number("i16", I16, -30000),
        number("u32", U32, 4000000000),
        number("i32", I32, -2000000000),
        number("f32", F32, 0.5),
        number("bool", BOOL, True),
        number("u64", U64, 1 << 62),
        number("i64", I64, -(1 << 62)),
        number("f64", F64, 0.1),
        array("ints", I16, 3, struct.pack("<3h", 1, -2, 3)),
        array("bools", BOOL, 2, b"\1\0"),
        array("floats", F32, 2, struct.pack("<2f", 1.5, -2)),
        array("strings", STRING, 2, text("a") + text("\0ä")),
        array("empty", STRING, 0),
        array("nested", ARRAY, 1, struct.pack("<IQ", U8, 2) + b"xy"),
    ]
    entries = [entry("one", [2, 3], Type.F32, 0), entry("two", [32], Type.Q8_0, 32)]
    return file(keys, entries, bytes(range(24)) + bytes(8) + bytes(range(34)), version=version)


@pytest.mark.parametrize("version", [2, 3])
def test_every_kind_of_value(version):
    data = small_file(version)
    parsed = _ops.parse_gguf(data)
    assert parsed["metadata"] == {
        "general.architecture": "test",
        "u8": 200,
        "i8": -100,
        "u16": 60000,
        "i16": -30000,
        "u32": 4000000000,
        "i32": -2000000000,
        "f32": 0.5,
        "bool": True,
        "u64": 1 << 62,
        "i64": -(1 << 62),
        "f64": 0.1,
        "ints": [1, -2, 3],
        "bools": [1, 0],
        "floats": [1.5, -2.0],
        "strings": ["a", "\0ä"],
        "empty": [],
        "nested": None,
    }
    one, two = parsed["tensors"]
    assert (one["name"], one["dtype"], list(one["shape"])) == ("one", "F32", [3, 2])  # outermost first
    assert (two["name"], two["dtype"], list(two["shape"])) == ("two", "Q8_0", [32])
    assert data[one["offset"] :][:24] == bytes(range(24))
    assert data[two["offset"] :] == bytes(range(34))


def test_what_may_be_missing_or_extra():
    assert _ops.parse_gguf(file()) == {"metadata": {}, "tensors": []}
    assert _ops.parse_gguf(file([string("a", "b")]))["metadata"] == {"a": "b"}
    assert len(_ops.parse_gguf(small_file() + b"trailing")["tensors"]) == 2
    for early in (1, 64):  # with 1 byte there is a gap between the tensors, with 64 there is none
        data = file([], [entry("late", [1], Type.I8, 64), entry("early", [early], Type.I8, 0)], bytes(65))
        assert [tensor["name"] for tensor in _ops.parse_gguf(data)["tensors"]] == ["late", "early"]


# Broken files.


def nested(depth):
    inner = struct.pack("<IQ", ARRAY, 1) * (depth - 1) + struct.pack("<IQ", U8, 0)
    return file([text("k") + struct.pack("<I", ARRAY) + inner])


def tensors(*entries, data=bytes(64)):
    return file([], entries, data)


REFUSED = {
    "empty": (b"", 'byte 0, header: magic: expected "GGUF", got an empty file'),
    "magic": (b"GGML" + bytes(20), 'magic: expected "GGUF", got "GGML"'),
    "version 0": (file(version=0), "byte 4, header: version: expected 2 or 3, got 0"),
    "version 1": (file(version=1), "version: expected 2 or 3, got 1"),
    "version 4": (file(version=4), "version: expected 2 or 3, got 4"),
    "big endian": (file(version=0x03000000), "big endian"),
    "2^63 tensors": (file(num_tensors=1 << 63), "number of tensors: expected at most 0"),
    "2^40 keys": (file(num_keys=1 << 40), "number of keys: expected at most 0"),
    "2^40 strings": (file([array("k", STRING, 1 << 40)]), 'key "k": array length'),
    "2^61 doubles": (file([array("k", F64, 1 << 61)]), 'key "k": array length'),
    "2^40 arrays": (file([array("k", ARRAY, 1 << 40)]), 'key "k": array length'),
    "2^64 characters": (
        file([text("k") + struct.pack("<IQ", STRING, 2**64 - 1)]),
        'key "k": string: expected at most 0',
    ),
    "long key": (file([string("k" * 65537, "")]), "key: expected a length of 1 to 65536, got 65537"),
    "empty key": (file([string("", "12345678")]), "key: expected a length of 1 to 65536, got 0"),
    "duplicate key": (file([string("k", "1"), string("k", "2")]), 'key "k": duplicate key'),
    "value type": (file([text("k") + struct.pack("<IQ", 13, 0)]), 'key "k": value type: expected 0 to 12, got 13'),
    "element type": (file([array("k", 99, 0)]), 'key "k": value type: expected 0 to 12, got 99'),
    "bool": (file([text("k") + struct.pack("<IB", BOOL, 2)]), "expected a bool of 0 or 1, got 2"),
    "bools": (file([array("k", BOOL, 1, b"\3")]), "expected a bool of 0 or 1, got 3"),
    "u64": (file([number("k", U64, 1 << 63)]), "expected below 2^63, got 9223372036854775808"),
    "u64s": (file([array("k", U64, 1, b"\xff" * 8)]), "expected below 2^63, got 18446744073709551615"),
    "nesting": (nested(9), "at most 8 levels of nesting"),
    "deep nesting": (nested(100000), "at most 8 levels of nesting"),
    "unprintable key": (file([string(b'\n\xff"', ""), string(b'\n\xff"', "")]), r'key "\x0a\xff\"": duplicate key'),
    "alignment 0": (file([number("general.alignment", U32, 0)]), "power of two of at least 8, got 0"),
    "alignment 4": (file([number("general.alignment", U32, 4)]), "power of two of at least 8, got 4"),
    "alignment 24": (file([number("general.alignment", U32, 24)]), "power of two of at least 8, got 24"),
    "alignment -8": (file([number("general.alignment", I32, -8)]), "power of two of at least 8, got -8"),
    "alignment text": (file([string("general.alignment", "wide")]), '"general.alignment": expected an integer'),
    "type": (tensors(entry("t", [32], 4, 0)), 'tensor "t": unknown tensor type 4, known are F32 (0), F16 (1)'),
    "rank 0": (tensors(entry("t", [], 0, 0)), 'tensor "t": rank: expected 1 to 4, got 0'),
    "rank 5": (tensors(entry("t", [1] * 5, 0, 0)), 'tensor "t": rank: expected 1 to 4, got 5'),
    "rank 2^32": (tensors(text("t") + b"\xff" * 4 + bytes(20)), 'tensor "t": rank: expected 1 to 4, got 4294967295'),
    "extent 0": (tensors(entry("t", [4, 0], 0, 0)), 'tensor "t": extent: expected 1 to 2^63 - 1, got 0'),
    "extent 2^63": (tensors(entry("t", [1 << 63], 0, 0)), 'tensor "t": extent: expected 1 to 2^63 - 1'),
    "2^64 elements": (tensors(entry("t", [1 << 32, 1 << 32], 0, 0)), 'tensor "t": extent: expected fewer than 2^63'),
    "2^65 bytes": (tensors(entry("t", [1 << 62], Type.F64, 0)), 'tensor "t": the bytes of shape'),
    "2^40 bytes": (tensors(entry("t", [1 << 40], Type.I8, 0)), 'tensor "t": expected data inside the 64 bytes'),
    "part of a block": (
        tensors(entry("t", [48, 2], Type.Q8_0, 0), data=bytes(204)),
        'tensor "t": expected rows of a multiple of 32 elements for type Q8_0, got shape [2, 48]',
    ),
    "long name": (tensors(entry("t" * 65537, [1], 0, 0)), "tensor name: expected a length of 1 to 65536"),
    "duplicate name": (
        tensors(entry("t", [1], Type.I8, 0), entry("t", [1], Type.I8, 32)),
        'tensor "t": duplicate tensor name',
    ),
    "misaligned": (tensors(entry("t", [4], 0, 16)), 'tensor "t": data offset: expected a multiple of 32, got 16'),
    "past the end": (
        tensors(entry("t", [4], 0, 64)),
        'tensor "t": expected data inside the 64 bytes of the data section, got 16 bytes (F32 [4]) at offset 64',
    ),
    "over the end": (tensors(entry("t", [9], 0, 32)), "expected data inside the 64 bytes"),
    "offset 2^64": (tensors(entry("t", [4], 0, 2**64 - 32)), "expected data inside the 64 bytes"),
    "no data": (tensors(entry("t", [4], 0, 0), data=b""), "expected data inside the 0 bytes"),
    "overlap": (
        tensors(entry("late", [4], 0, 32), entry("early", [33], Type.I8, 0)),
        'tensor "late": data at offset 32 overlaps tensor "early", which ends at 33',
    ),
    "same place": (tensors(entry("a", [1], 0, 0), entry("b", [1], 0, 0)), "overlaps tensor"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_cause(name):
    data, cause = REFUSED[name]
    with pytest.raises(ValueError) as error:
        _ops.parse_gguf(data)
    assert cause in str(error.value)
    assert "GGUF byte " in str(error.value) or name == "alignment text"


def test_unknown_type_lists_every_known_one():
    with pytest.raises(ValueError) as error:
        _ops.parse_gguf(tensors(entry("t", [32], 999, 0)))
    for known in Type:
        assert f"{known.name} ({known.value})" in str(error.value)


def test_cut_at_any_byte_is_refused():
    data = small_file()
    for length in range(len(data)):
        with pytest.raises(ValueError):
            _ops.parse_gguf(data[:length])


def parses(data):
    """Whether `data` parses. Any other error than ValueError, such as a MemoryError or a crash, fails the test."""
    try:
        parsed = _ops.parse_gguf(data)
    except ValueError:  # a UnicodeDecodeError for names that are not UTF-8 is one too
        return False
    assert all(tensor["offset"] < len(data) for tensor in parsed["tensors"])
    return True


def test_any_byte_changed_is_refused_or_harmless():
    original = small_file()
    num_parsed = 0
    for at in range(len(original)):
        for value in {0, 1, 0x7F, 0x80, 0xFF, original[at] ^ 1} - {original[at]}:
            num_parsed += parses(original[:at] + bytes([value]) + original[at + 1 :])
    assert num_parsed > 0  # changes in names, values and data are not noticed


EDITS = st.lists(st.tuples(st.integers(0, len(small_file()) - 1), st.binary(min_size=1, max_size=8)), max_size=6)


@settings(max_examples=500)
@given(EDITS)
def test_any_edits_are_refused_or_harmless(edits):
    data = bytearray(small_file())
    for at, replacement in edits:
        data[at : at + len(replacement)] = replacement
    parses(bytes(data))


@settings(max_examples=300)
@given(st.integers(0, 3), st.integers(0, 3), st.binary(max_size=300))
def test_noise_is_refused_or_harmless(num_tensors, num_keys, noise):
    parses(b"GGUF" + struct.pack("<IQQ", 3, num_tensors, num_keys) + noise)


# Valid files of all kinds, written by the package `gguf`.

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTS = {
    "uint8": st.integers(0, 2**8 - 1),
    "int8": st.integers(-(2**7), 2**7 - 1),
    "uint16": st.integers(0, 2**16 - 1),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint64": st.integers(0, 2**63 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
}
FLOATS = st.floats(width=32, allow_nan=False)
SCALARS = [st.tuples(st.just(kind), values) for kind, values in INTS.items()] + [
    st.tuples(st.just("float32"), FLOATS),
    st.tuples(st.just("float64"), st.floats(allow_nan=False)),
    st.tuples(st.just("bool"), st.booleans()),
    st.tuples(st.just("string"), TEXTS),
]
ARRAYS = [
    st.tuples(st.just("array"), st.lists(values, min_size=1, max_size=8))
    for values in (INTS["int32"], FLOATS, st.booleans(), TEXTS)
]
VALUES = st.one_of(SCALARS + ARRAYS)
SHAPES = st.lists(st.integers(1, 3), min_size=1, max_size=4)


@settings(max_examples=100)
@given(
    values=st.dictionaries(NAMES, VALUES, max_size=6),
    matrices=st.dictionaries(NAMES, st.tuples(st.sampled_from(list(Type)), SHAPES), max_size=5),
    alignment=st.sampled_from([None, 8, 32, 256]),
)
def test_files_of_the_reference_writer(values, matrices, alignment):
    values = {"x." + name: value for name, value in values.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.gguf"
        writer = gguf.GGUFWriter(path, "test")
        if alignment:
            writer.add_custom_alignment(alignment)
        for name, (kind, value) in values.items():
            getattr(writer, "add_" + kind)(name, value)
        contents = {name: add_random_tensor(writer, name, *matrix) for name, matrix in matrices.items()}
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        data = path.read_bytes()

    parsed = _ops.parse_gguf(data)
    expected = {"general.architecture": "test"} | ({"general.alignment": alignment} if alignment else {})
    # The writer leaves empty strings out.
    expected |= {name: value for name, (kind, value) in values.items() if (kind, value) != ("string", "")}
    assert parsed["metadata"] == expected
    assert [tensor["name"] for tensor in parsed["tensors"]] == list(matrices)
    for tensor in parsed["tensors"]:
        kind, shape = matrices[tensor["name"]]
        block_elements = gguf.GGML_QUANT_SIZES[kind][0]
        assert tensor["dtype"] == kind.name
        assert list(tensor["shape"]) == [*shape[:-1], shape[-1] * block_elements]
        assert tensor["offset"] % (alignment or 32) == 0
        content = contents[tensor["name"]]
        assert data[tensor["offset"] :][: len(content)] == content


def add_random_tensor(writer, name, kind, shape):
    """Adds rows of shape[-1] blocks with random content. Returns the content."""
    block_bytes = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = np.random.default_rng(len(name)).integers(0, 256, [*shape[:-1], shape[-1] * block_bytes], np.uint8)
    writer.add_tensor(name, blocks, raw_dtype=kind)
    return blocks.tobytes()


def test_big_endian_file_of_the_reference_writer(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "file.gguf", "test", endianess=gguf.GGUFEndian.BIG)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ValueError, match="big endian"):
        _ops.parse_gguf((tmp_path / "file.gguf").read_bytes())
