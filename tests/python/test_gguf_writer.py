"""The GGUF writer, read back with the package `gguf`."""

import numpy as np
import pytest

from gesso.gguf_writer import convert, matrices_as, write_gguf
from gesso.tensor import Tensor

gguf = pytest.importorskip("gguf")

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
    assert kinds["test.negative"] == ["INT32"]
    assert "tokenizer.ggml.merges" not in reader.fields
    for key, value in METADATA.items():
        if key in reader.fields:
            assert reader.fields[key].contents() == value


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


def test_bfloat16_sources_are_converted_through_float32():
    source = bfloat16(matrix())
    assert convert(source, "BF16") is source
    assert (convert(source, "F32").data == source.to_float32()).all()
    rounded = convert(convert(source, "F32"), "BF16")
    assert (rounded.data == source.data).all()


@pytest.mark.parametrize(("columns", "dtype"), [(33, "Q8_0"), (256, "Q4_K"), (32, "Q9_Z")])
def test_impossible_conversions_name_the_tensor_and_leave_no_file(tmp_path, columns, dtype):
    with pytest.raises(ValueError, match=f"blk.0.attn_q.weight.*{dtype}"):
        write_gguf(tmp_path / "a.gguf", METADATA, [matrix(columns=columns)], matrices_as(dtype))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="cannot be converted"):
        convert(Tensor("x", "Q8_0", (1, 32), np.zeros((1, 34), np.uint8)), "F32")


def test_an_existing_file_survives_a_failed_write(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(b"precious")

    def broken():
        yield matrix()
        raise RuntimeError("disk gone")

    with pytest.raises(RuntimeError):
        write_gguf(path, METADATA, broken())
    assert path.read_bytes() == b"precious"
    assert [file.name for file in tmp_path.iterdir()] == ["a.gguf"]
