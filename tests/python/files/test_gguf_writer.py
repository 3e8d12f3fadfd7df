"""The GGUF writer: the package `gguf` reads its files back."""

import weakref

import gguf
import numpy as np
import pytest

from gesso import _native
from gesso.files import gguf_writer
from gesso.files.gguf_writer import matrices_as, write_gguf
from gesso.files.tensor import Tensor

METADATA = {
    "general.architecture": "diffusion-gemma",
    "diffusion-gemma.block_count": 3,
    "diffusion-gemma.rope.freq_base": 1e6,
    "diffusion-gemma.attention.causal": False,
    "diffusion-gemma.attention.head_count_kv": [2, 1, 2],
    "diffusion-gemma.attention.sliding_window_pattern": [True, False, True],
    "tokenizer.ggml.tokens": ["a", "▁", ""],
    "tokenizer.ggml.merges": [],
    "test.floats": [0.5, -1.0],
    "test.wide": np.uint64(1 << 40),
    "test.exact": np.float64(0.1),
    "test.array": np.array([1, 2], np.uint16),
    "test.negative": -1,
}


def matrix(rows=3, columns=32, name="blk.0.attn_q.weight"):
    data = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
    return Tensor(name, "F32", data.shape, data)


def bfloat16(tensor):
    bits = (tensor.data.view(np.uint32) >> 16).astype(np.uint16)
    return Tensor(tensor.name, "BF16", tensor.shape, bits)


def read(path):
    reader = gguf.GGUFReader(path)
    return reader, {tensor.name: tensor for tensor in reader.tensors}


def test_metadata_types_follow_the_python_types(tmp_path):
    write_gguf(tmp_path / "a.gguf", METADATA, [])
    reader, _ = read(tmp_path / "a.gguf")
    kinds = {key: [kind.name for kind in field.types] for key, field in reader.fields.items()}
    assert kinds["diffusion-gemma.block_count"] == ["UINT32"]
    assert kinds["diffusion-gemma.rope.freq_base"] == ["FLOAT32"]
    assert kinds["diffusion-gemma.attention.causal"] == ["BOOL"]
    assert kinds["diffusion-gemma.attention.head_count_kv"] == ["ARRAY", "INT32"]
    assert kinds["diffusion-gemma.attention.sliding_window_pattern"] == ["ARRAY", "BOOL"]
    assert kinds["test.floats"] == ["ARRAY", "FLOAT32"]
    assert kinds["test.wide"] == ["UINT64"]
    assert kinds["test.exact"] == ["FLOAT64"]
    assert kinds["test.array"] == ["ARRAY", "UINT16"]
    assert kinds["test.negative"] == ["INT32"]
    assert kinds["tokenizer.ggml.merges"] == ["ARRAY"]  # an empty one
    for key, value in METADATA.items():
        if key != "tokenizer.ggml.merges":
            assert np.all(reader.fields[key].contents() == value)


@pytest.mark.parametrize("value", [None, {}, [1, "a"], [1, 2.0], [[1]]])
def test_other_metadata_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match=r"test\.key: expected"):
        write_gguf(tmp_path / "a.gguf", {"test.key": value}, [])
    assert list(tmp_path.iterdir()) == []


def test_tensors_keep_their_type_and_bits_without_a_types_function(tmp_path):
    vector = Tensor("output_norm.weight", "F32", (4,), np.arange(4, dtype=np.float32))
    half = Tensor("blk.0.attn_k.weight", "F16", (2, 3), np.arange(6, dtype=np.float16).reshape(2, 3))
    raw = bfloat16(matrix())
    blocks = np.arange(2 * 34, dtype=np.uint8).reshape(2, 34)  # two rows of one Q8_0 block
    quantised = Tensor("blk.1.attn_q.weight", "Q8_0", (2, 32), blocks)
    write_gguf(tmp_path / "a.gguf", METADATA, iter([vector, half, raw, quantised]))
    _, tensors = read(tmp_path / "a.gguf")
    for tensor in (vector, half, raw, quantised):
        stored = tensors[tensor.name]
        assert stored.tensor_type.name == tensor.dtype
        assert stored.shape.tolist() == list(reversed(tensor.shape))
        assert stored.data.tobytes() == tensor.data.tobytes()


@pytest.mark.parametrize("dtype", ["Q8_0", "Q4_0", "BF16", "F16", "F32"])
def test_matrices_are_converted_and_vectors_are_not(tmp_path, dtype):
    tensors = [matrix(), matrix(name="token_embd.weight"), matrix(1, 32, "blk.0.ffn_gate_inp.weight")]
    write_gguf(tmp_path / "a.gguf", METADATA, tensors, matrices_as(dtype, embedding="F16"))
    _, stored = read(tmp_path / "a.gguf")
    types = [stored[tensor.name].tensor_type.name for tensor in tensors]
    assert types == [dtype, "F16", "F32"]
    kind = gguf.GGMLQuantizationType[dtype]
    values = gguf.quants.dequantize(stored["blk.0.attn_q.weight"].data, kind)
    step = {"Q8_0": 0.02, "Q4_0": 0.4, "BF16": 0.02, "F16": 0.002, "F32": 0.0}[dtype]
    assert np.abs(values - matrix().data).max() <= step


def test_bfloat16_sources_keep_their_values(tmp_path):
    source = bfloat16(matrix())
    for dtype, expected in (("BF16", source.data), ("F32", source.to_float32())):
        write_gguf(tmp_path / "a.gguf", METADATA, [source], {source.name: dtype})
        assert read(tmp_path / "a.gguf")[1][source.name].data.tobytes() == expected.tobytes()


@pytest.mark.parametrize(("columns", "dtype"), [(33, "Q8_0"), (256, "Q8_K"), (32, "Q9_Z")])
def test_impossible_conversions_name_the_tensor_and_leave_no_file(tmp_path, columns, dtype):
    with pytest.raises(ValueError, match=f"blk.0.attn_q.weight.*{dtype}"):
        write_gguf(tmp_path / "a.gguf", METADATA, [matrix(columns=columns)], matrices_as(dtype))
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_cannot_be_read_can_still_be_copied(tmp_path):
    tensor = Tensor("x", "I16", (2, 3), np.arange(12, dtype=np.uint8).reshape(2, 6))
    write_gguf(tmp_path / "a.gguf", METADATA, [tensor])
    assert read(tmp_path / "a.gguf")[1]["x"].data.tobytes() == tensor.data.tobytes()
    with pytest.raises(ValueError, match="x: cannot be converted from I16"):
        write_gguf(tmp_path / "b.gguf", METADATA, [tensor], {"x": "F32"})


def test_a_mapping_of_types_leaves_what_it_does_not_name(tmp_path):
    tensors = [matrix(name="a"), matrix(name="b")]
    write_gguf(tmp_path / "a.gguf", METADATA, tensors, {"a": "F16"})
    stored = read(tmp_path / "a.gguf")[1]
    assert [stored[name].tensor_type.name for name in "ab"] == ["F16", "F32"]


def test_the_alignment_of_the_metadata_holds(tmp_path):
    names = [f"blk.{i}.attn_norm.weight" for i in range(3)]
    tensors = [Tensor(name, "F32", (1,), np.ones(1, np.float32)) for name in names]
    write_gguf(tmp_path / "a.gguf", METADATA | {"general.alignment": 256}, tensors)
    infos = _native.Checkpoint.open(str(tmp_path / "a.gguf").encode()).tensors
    assert [info.offset - infos[0].offset for info in infos] == [0, 256, 512]
    assert infos[0].offset % 256 == 0


@pytest.mark.parametrize("chunk_bytes", [1, 3 * 4 * 32, 1 << 20])
def test_chunks_do_not_change_the_bytes(tmp_path, monkeypatch, chunk_bytes):
    """An expert has seven rows. The chunks have one row, three rows or all rows."""
    monkeypatch.setattr(gguf_writer, "CHUNK_BYTES", chunk_bytes)
    data = np.random.default_rng(0).standard_normal((3, 7, 32)).astype(np.float32)
    tensor = Tensor("x", "F32", data.shape, data)
    steps = []
    write_gguf(tmp_path / "a.gguf", METADATA, [tensor], {"x": "F16"}, on_progress=lambda *step: steps.append(step))
    assert read(tmp_path / "a.gguf")[1]["x"].data.tobytes() == data.astype(np.float16).tobytes()
    assert steps[-1] == (data.size * 2, data.size * 2, "x")
    assert [done for done, *_ in steps] == sorted({done for done, *_ in steps})


@pytest.mark.parametrize("factors", [[0.5], [1.0, 2.0, -4.0]])
def test_multipliers_are_of_the_tensor_or_of_each_expert(tmp_path, factors):
    data = np.random.default_rng(0).standard_normal((3, 2, 32)).astype(np.float32)
    tensor = Tensor("x", "F32", data.shape, data)
    multipliers = {"x": lambda: np.array(factors, np.float32)}
    write_gguf(tmp_path / "a.gguf", METADATA, [tensor], multipliers=multipliers)
    expected = data * np.array(factors, np.float32).reshape(-1, 1, 1)
    assert (read(tmp_path / "a.gguf")[1]["x"].data == expected).all()


@pytest.mark.parametrize("value", [1 << 32, -(1 << 31) - 1, [1 << 31], 1e39, [0.5, -1e39]])
def test_numbers_that_do_not_fit_are_named_by_their_key(tmp_path, value):
    with pytest.raises(ValueError, match=r"a\.b: .* (32 bits|float32)"):
        write_gguf(tmp_path / "a.gguf", {"a.b": value}, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(31,), (2, 32), (3, 31)])
def test_importance_must_fit_its_tensor(tmp_path, shape):
    tensor = Tensor("x", "F32", (3, 2, 32), lambda: pytest.fail("read"))
    with pytest.raises(ValueError, match=r"x: importance: expected shape \[3, 32\], got"):
        write_gguf(tmp_path / "a.gguf", METADATA, [tensor], {"x": "F16"}, importance={"x": np.ones(shape)})


def test_every_expert_has_its_own_importance(tmp_path):
    rng = np.random.default_rng(0)
    data, importance = rng.standard_normal((3, 4, 32)).astype(np.float32), rng.exponential(1, (3, 32)) ** 4
    tensor = Tensor("x", "F32", data.shape, data)
    write_gguf(tmp_path / "a.gguf", METADATA, [tensor], {"x": "Q4_0"}, importance={"x": importance.astype(np.float32)})
    stored = read(tmp_path / "a.gguf")[1]["x"].data
    for expert in range(3):
        for weights, is_same in ((importance[expert], True), (importance[expert - 1], False)):
            arguments = ("F32", data[expert].reshape(-1).view(np.uint8), "Q4_0", 32, weights.astype(np.float32))
            assert (_native.quantize(*arguments).tobytes() == stored[expert].tobytes()) == is_same


def test_one_tensor_is_in_memory_at_a_time(tmp_path):
    """A tensor's values are made when it is written. The values of the one before have been freed by then."""
    alive, most = set(), 0

    def make(number):
        nonlocal most
        data = np.full((4, 32), number, np.float32)
        alive.add(number)
        weakref.finalize(data, alive.discard, number)
        most = max(most, len(alive))
        return data

    tensors = [Tensor(str(i), "F32", (4, 32), lambda i=i: make(i)) for i in range(5)]
    write_gguf(tmp_path / "a.gguf", METADATA, tensors, lambda name, shape: "F16")
    assert most == 1
    assert [int(tensor.data[0, 0]) for tensor in read(tmp_path / "a.gguf")[0].tensors] == list(range(5))


def test_a_tensor_whose_values_do_not_fit_its_shape_is_refused(tmp_path):
    with pytest.raises(ValueError, match="x: expected 128 bytes of F32, got 64"):
        write_gguf(tmp_path / "a.gguf", METADATA, [Tensor("x", "F32", (32,), np.ones(16, np.float32))])
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_survives_a_failed_write(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF precious")

    def broken():
        yield matrix()
        raise RuntimeError("disk gone")

    with pytest.raises(RuntimeError):
        write_gguf(path, METADATA, broken())
    assert path.read_bytes() == b"GGUF precious"
    assert [file.name for file in tmp_path.iterdir()] == ["a.gguf"]
