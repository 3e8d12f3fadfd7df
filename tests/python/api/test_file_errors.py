"""Every bad checkpoint raises an error of the right type, whose message names the cause."""

from __future__ import annotations

import json
import math
import shutil
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader
from safetensors.numpy import save_file

import gesso
from gesso.files.gguf_writer import write_gguf
from gesso.files.hf.names import NAMES
from gesso.files.tensor import Tensor
from python.expect import raises
from python.tiny_model import tiny_model

GOLDEN = Path(__file__).parents[2] / "golden"
NAN, INFINITY = math.nan, math.inf


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


def test_missing_file(tmp_path):
    with raises(FileNotFoundError, "no_such.gguf"):
        gesso.load(tmp_path / "no_such.gguf")
    with raises(FileNotFoundError, "config.json"):
        gesso.load(tmp_path)
    assert issubclass(gesso.FormatError, ValueError) and issubclass(gesso.ArgumentError, ValueError)


def test_no_regular_file():
    with raises(OSError, "/dev/null"):
        gesso.load("/dev/null")


@pytest.mark.parametrize("content", [b"", b"GG", b"GGML" + bytes(100), b"PK\3\4" + bytes(1000), b"no model\n" * 50])
def test_not_a_gguf(tmp_path, content):
    (tmp_path / "other.gguf").write_bytes(content)
    with raises(gesso.FormatError, "other.gguf", "magic"):
        gesso.load(tmp_path / "other.gguf")


@pytest.mark.parametrize("version", [0, 1, 4, 1 << 24])
def test_other_versions(tmp_path, version):
    (tmp_path / "old.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", version, 0, 0))
    with raises(gesso.FormatError, "version"):
        gesso.load(tmp_path / "old.gguf")


def test_truncated_anywhere(tmp_path):
    """The file has every kind of tensor and a tokenizer. It is cut in 200 places."""
    whole = tiny_model(tmp_path / "whole.gguf").read_bytes()
    header_end = GGUFReader(tmp_path / "whole.gguf").data_offset
    rng = np.random.default_rng(0)
    lengths = {1, 23, 24, header_end - 1, header_end, header_end + 1, len(whole) - 1}
    lengths |= set(rng.integers(2, header_end, 100).tolist()) | set(rng.integers(header_end, len(whole), 100).tolist())
    cut = tmp_path / "cut.gguf"
    for length in sorted(lengths):
        cut.write_bytes(whole[:length])
        with raises(gesso.FormatError, "cut.gguf", "byte"):
            gesso.load(cut)


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "diffusion-gemma "])
def test_wrong_architecture(tmp_path, architecture):
    path = tiny_model(tmp_path / "x.gguf", metadata={"general.architecture": architecture})
    with raises(gesso.FormatError, "general.architecture", "diffusion-gemma", f'"{architecture}"'):
        gesso.load(path)


def rewritten(path: Path, target: Path, change) -> Path:
    """Writes the file again with `change(name, array)` in place of each tensor. None leaves the tensor out."""
    reader = GGUFReader(path)
    metadata = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    arrays = {tensor.name: tensor.data for tensor in reader.tensors} | {"extra": None}
    changed = ((name, change(name, array)) for name, array in arrays.items())
    tensors = [Tensor(n, "F32", a.shape, np.ascontiguousarray(a)) for n, a in changed if a is not None]
    write_gguf(target, metadata, tensors)
    return target


NEEDED = [
    "token_embd",
    "output_norm",
    "self_cond_up",
    "blk.0.attn_v",
    "blk.2.ffn_gate_up_exps",
    "blk.1.layer_output_scale",
]


@pytest.mark.parametrize("name", NEEDED)
def test_missing_tensor(path, tmp_path, name):
    broken = rewritten(path, tmp_path / "x.gguf", lambda n, a: None if n == f"{name}.weight" else a)
    with raises(gesso.FormatError, f"missing {name}.weight"):
        gesso.load(broken)


def test_extra_tensor(path, tmp_path):
    broken = rewritten(path, tmp_path / "x.gguf", lambda n, a: np.zeros((3, 5), np.float32) if n == "extra" else a)
    with raises(gesso.FormatError, r"unexpected extra \[3, 5\]"):
        gesso.load(broken)


@pytest.mark.parametrize("name", ["a\x1b[31mb", "two\nlines", "\x7f", "a b", "n\u00e9"])
def test_the_name_of_an_extra_tensor_does_nothing_to_a_terminal(path, tmp_path, name):
    broken = rewritten(path, tmp_path / "x.gguf", lambda n, a: np.zeros((3, 5), np.float32) if n == "extra" else a)
    content, place = broken.read_bytes(), b"\5" + bytes(7) + b"extra"
    assert content.count(place) == 1
    shown = name.encode().ljust(5, b"x")
    broken.write_bytes(content.replace(place, place[:8] + shown[:5]))
    with pytest.raises(gesso.FormatError) as caught:
        gesso.load(broken)
    last = str(caught.value).splitlines()[-1]
    assert last.isascii() and last.isprintable() and '  unexpected "' in last


@pytest.mark.parametrize("name", ["token_embd.weight", "blk.1.attn_q_norm.weight", "blk.2.ffn_gate_up_exps.weight"])
@pytest.mark.parametrize("how", ["longer", "transposed", "rank"])
def test_misshapen_tensor(path, tmp_path, name, how):
    def change(n, array):
        if n != name or array is None:
            return array
        if how == "longer":
            return np.concatenate([array, array[:1]])
        return array[None] if how == "rank" or array.ndim < 2 else np.swapaxes(array, -1, -2)

    with raises(gesso.FormatError, f"{name}: expected shape", "got"):
        gesso.load(rewritten(path, tmp_path / "x.gguf", change))


def test_all_problems_at_once(path, tmp_path):
    def change(name, array):
        if name == "extra":
            return np.zeros(3, np.float32)
        return {"output_norm.weight": array[:5], "blk.0.attn_k.weight": None}.get(name, array)

    with raises(
        gesso.FormatError, "3 problems", "missing blk.0.attn_k", "output_norm.weight: expected", "unexpected extra"
    ):
        gesso.load(rewritten(path, tmp_path / "x.gguf", change))


# These are types that ggml has removed, then types of forks of ggml, then numbers of no type.
@pytest.mark.parametrize("type_id", [4, 5, 31, 32, 33, 36, 37, 38, 43, 142, 143, 200, 2**32 - 1])
def test_unknown_type(path, tmp_path, type_id):
    """Changes the type of token_embd.weight in the file, which has the name, the rank 2, two extents and the type."""
    data = bytearray(path.read_bytes())
    at = data.index(b"token_embd.weight") + len("token_embd.weight") + 4 + 16
    assert data[at : at + 4] == bytes([GGMLQuantizationType.F32, 0, 0, 0])
    data[at : at + 4] = struct.pack("<I", type_id)
    (tmp_path / "x.gguf").write_bytes(data)
    patterns = "token_embd.weight", f"unknown tensor type {type_id}, known are", r"F32 \(0\)", r"Q2_0 \(42\)"
    with raises(gesso.FormatError, *patterns):
        gesso.load(tmp_path / "x.gguf")


def test_a_type_that_cannot_be_computed_with(tmp_path):
    """I32 has a name and a size, but gesso does not compute with integers as weights."""
    path = tiny_model(tmp_path / "x.gguf")
    data = bytearray(path.read_bytes())
    at = data.index(b"token_embd.weight") + len("token_embd.weight") + 4 + 16
    data[at : at + 4] = struct.pack("<I", GGMLQuantizationType.I32)
    path.write_bytes(data)
    with raises(gesso.FormatError, "token_embd.weight", "cannot compute with type I32", "F32"):
        gesso.load(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("block_count", 0),
        ("block_count", 1024),
        ("block_count", 2**32 - 1),
        ("embedding_length", 2**31),
        ("embedding_length", 0),
        ("feed_forward_length", 2**32 - 1),
        ("attention.head_count", 65536),
        ("attention.head_count", 0),
        ("attention.head_count_kv", 3),
        ("attention.head_count_kv", [2, 2]),
        ("attention.key_length", 2**31),
        ("attention.key_length", 31),
        ("attention.sliding_window", 0),
        ("attention.sliding_window_pattern", [True] * 4),
        ("attention.layer_norm_rms_epsilon", 0.0),
        ("attention.layer_norm_rms_epsilon", NAN),
        ("final_logit_softcapping", -1.0),
        ("rope.freq_base", INFINITY),
        ("expert_count", 65536),
        ("expert_count", 2**32 - 1),
        ("expert_used_count", 5),
        ("expert_used_count", 0),
        ("expert_feed_forward_length", 2**31),
        ("context_length", 0),
        ("vocab_size", 2**32 - 1),
        ("embedding_length", "many"),
        ("embedding_length", None),
        ("context_length", None),
        ("block_count", None),
    ],
)
def test_absurd_counts(tmp_path, key, value):
    """Such counts are out of range or do not fit the tensors' shapes. They are refused before memory is taken."""
    path = tiny_model(tmp_path / "x.gguf", metadata={f"diffusion-gemma.{key}": value})
    start = time.monotonic()
    with raises(gesso.FormatError, f"({key}|expected shape|expected 1024 entries)"):
        gesso.load(path)
    assert time.monotonic() - start < 5  # it takes milliseconds, and longer on a busy machine


@pytest.mark.parametrize("value", [0, -1, 513, 2**31 - 1, None])
def test_canvas_length(tmp_path, value):
    """No tensor's shape limits the canvas length, but the context of 512 tokens does."""
    path = tiny_model(tmp_path / "x.gguf", metadata={"diffusion.canvas_length": value})
    with raises(gesso.FormatError, "diffusion.canvas_length"):
        gesso.load(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("eb_max_steps", 0),
        ("eb_max_steps", 2**32 - 1),
        ("eb_t_min", -0.1),
        ("eb_t_min", 0.9),  # above t_max
        ("eb_t_max", 0.0),
        ("eb_t_max", NAN),
        ("eb_entropy_bound", -1.0),
        ("eb_stability_threshold", -1),
        ("eb_confidence_threshold", NAN),
    ],
)
def test_generation_settings(tmp_path, key, value):
    path = tiny_model(tmp_path / "x.gguf", metadata={f"diffusion.{key}": value})
    with raises(gesso.FormatError, "eb_t_max" if value == 0.9 else key):
        gesso.load(path)


def test_generation_settings_that_are_fine(tmp_path):
    """Zero is allowed as the last temperature, as the entropy bound and as the threshold."""
    zeros = {f"diffusion.eb_{name}": 0.0 for name in ("t_min", "entropy_bound", "confidence_threshold")}
    config = gesso.load(tiny_model(tmp_path / "x.gguf", metadata=zeros)).config
    assert (config.t_min, config.entropy_bound, config.confidence_threshold) == (0, 0, 0)


@pytest.mark.parametrize("field", [8, 16])
def test_absurd_counts_in_the_header(path, tmp_path, field):
    """The header claims more tensors or keys than the file has bytes."""
    data = bytearray(path.read_bytes())
    for count in (2**64 - 1, 2**63, 2**40, len(data)):
        data[field : field + 8] = struct.pack("<Q", count)
        (tmp_path / "x.gguf").write_bytes(data)
        with raises(gesso.FormatError, "number of", str(count)):
            gesso.load(tmp_path / "x.gguf")


# Hugging Face folders.

SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
TEXT_FIELDS = [
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "moe_intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "num_global_key_value_heads",
    "head_dim",
    "global_head_dim",
    "num_experts",
    "top_k_experts",
    "sliding_window",
    "layer_types",
    "max_position_embeddings",
]


@pytest.fixture
def folder(tmp_path):
    """A folder with two shards, from which one of the golden models could have been made."""
    config = gesso.load(GOLDEN / "mixed.gguf").config
    layers = range(config.num_hidden_layers)
    names = {new.replace(".N.", f".{i}."): old.replace(".N.", f".{i}.") for old, new in NAMES.items() for i in layers}
    arrays = [(names[t.name], np.array(t.data)) for t in GGUFReader(GOLDEN / "mixed.gguf").tensors if t.name in names]
    weight_map = {}
    for i, shard in enumerate(SHARDS):
        save_file(dict(arrays[i::2]), tmp_path / shard)
        weight_map |= {name: shard for name, _ in arrays[i::2]}
    text = {name: getattr(config, name) for name in TEXT_FIELDS}
    root = {"model_type": "diffusion_gemma", "text_config": text, "canvas_length": config.canvas_length}
    (tmp_path / "config.json").write_text(json.dumps(root))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return tmp_path


def test_a_good_folder(folder):
    """If this folder did not load, the tests below would find errors for another reason."""
    options = {"max_new_tokens": 1, "max_denoising_steps": 2, "end_token_ids": []}
    expected = gesso.load(GOLDEN / "mixed.gguf").generate([5], **options)
    assert gesso.load(folder).generate([5], **options).sequences == expected.sequences


def test_folder_without_a_shard(folder):
    (folder / SHARDS[1]).unlink()
    with raises(FileNotFoundError, SHARDS[1]):
        gesso.load(folder)


def test_folder_without_weights(folder):
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    with raises(FileNotFoundError, "model.safetensors"):
        gesso.load(folder)


def test_folder_with_half_the_weights(folder):
    shutil.copy(folder / SHARDS[0], folder / "model.safetensors")
    (folder / "model.safetensors.index.json").unlink()
    with raises(gesso.FormatError, "missing "):
        gesso.load(folder)


def test_truncated_shard(folder):
    shard = folder / SHARDS[0]
    data = shard.read_bytes()
    for length in (0, 7, 100, len(data) // 2, len(data) - 1):
        shard.write_bytes(data[:length])
        with raises(ValueError, SHARDS[0]):
            gesso.load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"model_type": "llama"}', "\udcff"])
def test_malformed_config(folder, text):
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with raises(ValueError, "config.json"):
        gesso.load(folder)
