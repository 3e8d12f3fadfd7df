"""The command `gesso inspect` shows metadata, tensors, configuration and memory of every file that can be opened."""

import json
import os
import re
import struct

import numpy as np
import pytest
from gguf import GGMLQuantizationType

import gesso
from gesso import _native
from python.command_line import run
from python.tiny_model import VOCABULARY, tiny_model


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf"))


@pytest.fixture(scope="module")
def model(path):
    return gesso.load(path)


def test_inspect_prints_metadata_tensors_configuration_and_memory(path, model):
    status, out, err = run("inspect", path)
    assert (status, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == f"{path}: diffusion-gemma, {os.path.getsize(path) / 1e3:.1f} kB"
    assert "diffusion-gemma.attention.layer_norm_rms_epsilon 1e-06" in lines
    first = '["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|turn>", ...]'
    assert f"tokenizer.ggml.tokens {first} ({len(VOCABULARY)} entries)" in lines
    assert "vocab_size 369" in lines
    assert "canvas_length 8" in lines
    assert f"weights {model.native.weight_bytes / 1e3:.1f} kB" in lines
    assert "soft embedding, per sequence 1.0 kB" in lines  # 8 x 32 x 4 bytes
    assert "blk.0.attn_q.weight" not in out


def test_inspect_counts_types(tmp_path):
    path = str(tiny_model(tmp_path / "q8.gguf", types=lambda name, shape: "Q8_0" if len(shape) == 2 else "F32"))
    report = json.loads(run("inspect", path, "--json", "--tensors")[1])
    tensors = report["tensors"]
    for name, entry in report["types"].items():
        of_type = [x for x in tensors if x["type"] == name]
        assert entry["count"] == len(of_type) > 0
        assert entry["elements"] == sum(int(np.prod(x["shape"])) for x in of_type)
        assert entry["bytes"] == sum(x["bytes"] for x in of_type)
    q8_0 = report["types"]["Q8_0"]
    assert q8_0["bytes"] == q8_0["elements"] // 32 * 34
    assert report["memory"]["weights"] == sum(x["bytes"] for x in tensors)
    names = [x["name"] for x in tensors]
    assert names.index("blk.0.attn_q.weight") < names.index("blk.2.attn_q.weight") < names.index("token_embd.weight")


def test_inspect_lists_tensors(path):
    lines = [" ".join(line.split()) for line in run("inspect", path, "--tensors")[1].splitlines()]
    assert "blk.0.ffn_gate_up_exps.weight F32 [4, 64, 32] 32.8 kB" in lines
    assert "blk.2.layer_output_scale.weight F32 [1] 4 B" in lines


def test_inspect_json_is_json_with_the_configuration(path, model):
    report = json.loads(run("inspect", path, "--json")[1])
    assert report["architecture"] == "diffusion-gemma"
    assert report["problem"] is None
    assert report["config"]["hidden_size"] == model.config.hidden_size
    assert report["config"]["layer_types"] == list(model.config.layer_types)
    assert report["metadata"]["tokenizer.ggml.tokens"]["length"] == len(VOCABULARY)
    assert "tensors" not in report


def test_inspect_says_why_no_model_can_be_made(tmp_path):
    path = str(tiny_model(tmp_path / "other.gguf", metadata={"general.architecture": "llama", "x": float("nan")}))
    status, out, _ = run("inspect", path)
    assert status == 0
    assert 'gesso cannot run this: general.architecture: expected diffusion-gemma, got "llama"' in out
    assert "llama" in out.splitlines()[0]
    report = json.loads(run("inspect", path, "--json")[1])
    assert report["config"] is None
    assert "llama" in report["problem"]
    assert report["memory"]["weights"] > 0


def test_inspect_shows_types_that_gesso_cannot_compute_with(tmp_path):
    path = tiny_model(tmp_path / "types.gguf")
    data = bytearray(path.read_bytes())
    for index in range(3):
        name = f"blk.{index}.attn_k.weight".encode()
        at = data.index(name) + len(name) + 4 + 16  # behind the name are the rank 2, two extents and the type
        data[at : at + 4] = struct.pack("<I", GGMLQuantizationType.I32)
    path.write_bytes(data)
    status, out, _ = run("inspect", str(path))
    assert status == 0
    assert re.search(r"^  I32 +3 ", out, re.MULTILINE)
    assert "cannot compute with type I32" in out
    assert re.search(r"^  hidden_size +32$", out, re.MULTILINE)
    assert "scratch, once" in out
    assert run("run", str(path), "hi")[0] == 1


def test_inspect_never_prints_control_characters(tmp_path):
    path = str(tiny_model(tmp_path / "evil.gguf", metadata={"general.name": "\x1b[31m\x9b", "evil\x1b[2J": 1}))
    out = run("inspect", path)[1]
    assert "\x1b" not in out
    assert "\x9b" not in out
    assert "␛[2J" in out


def test_cache_sizes_bound_what_a_session_takes(tmp_path):
    path = tiny_model(tmp_path / "long.gguf", max_position_embeddings=4096)
    model = gesso.load(path)
    for length in (1, 100, 700, 3000):
        session = model.session()
        session.encode([5] * length)
        bound = _native.cache_bytes(model.native.config, length)
        assert session.cache_bytes <= bound
        session.generate(max_new_tokens=64)
        assert session.cache_bytes <= _native.cache_bytes(model.native.config, length + 64)
    assert session.cache_bytes > 0.5 * bound
