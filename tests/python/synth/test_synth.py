"""`gesso synth`: its models of random weights run and have the sizes of real ones."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import gesso
from gesso import _ops
from gesso.cli.program import main
from gesso.files.gguf_reader import read_gguf
from gesso.synth.model import CONFIGS, make_model
from gesso.synth.tensors import tensor_shapes
from gesso.synth.tokenizer import MERGES, synth_tokenizer_metadata
from python.command_line import run
from python.gguf_manifest import FILES, MODEL, num_bytes, read_manifest

TEXT = {
    "model_type": "diffusion_gemma_text",
    "vocab_size": 600,
    "hidden_size": 256,
    "intermediate_size": 192,
    "moe_intermediate_size": 64,
    "num_hidden_layers": 30,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "global_head_dim": 64,
    "num_global_key_value_heads": 1,
    "num_experts": 4,
    "top_k_experts": 2,
    "sliding_window": 16,
    "max_position_embeddings": 512,
}
CONFIG = {"model_type": "diffusion_gemma", "canvas_length": 16, "eos_token_id": 1, "text_config": TEXT}


@pytest.fixture
def config(tmp_path):
    (tmp_path / "small").mkdir()
    (tmp_path / "small/config.json").write_text(json.dumps(CONFIG))
    return tmp_path / "small"


def synth(path, config, *options):
    """Makes a model with the command and returns its path as text."""
    assert main(["synth", "--config", str(config), *options, str(path)]) == 0
    return str(path)


@pytest.mark.parametrize("preset", FILES)
def test_the_published_model_in_full_size(preset):
    """Names, order, shapes, types and offsets are those of the published files. The test writes no file."""
    metadata, tensors = make_model(CONFIGS / "26b-a4b", preset, None, 0)
    assert [(x.name, x.shape, x.dtype) for x in tensors] == [(x.name, x.shape, x.type) for x in read_manifest()[preset]]
    padded = sum(-(-tensor.num_bytes // 32) * 32 for tensor in tensors)
    assert (metadata["general.file_type"], padded) == FILES[preset]
    assert [x.num_bytes for x in tensors] == [num_bytes(entry) for entry in read_manifest()[preset]]
    model = {key.removeprefix("diffusion-gemma."): value for key, value in metadata.items()}
    assert {key: model[key] for key in MODEL} == MODEL
    assert metadata["diffusion.eb_max_steps"] == 48
    assert metadata["general.size_label"] == "128x2.6B"
    assert len(metadata["tokenizer.ggml.tokens"]) == 262144


@pytest.mark.parametrize("quant", ["BF16", "F16", "Q8_0", "Q4_K_M", "NVFP4"])
def test_every_tensor_has_its_spread(tmp_path, config, quant):
    path = synth(tmp_path / "a.gguf", config, "--preset", quant.lower(), "--layers", "6")
    tensors = {tensor.name: tensor for tensor in read_gguf(path).tensors()}
    for name, tensor in tensors.items():
        values = tensor.to_float32().astype(np.float64)
        if name.endswith("ffn_gate_inp.weight"):
            mean, spread = 0.0, 1.0
        elif len(tensor.shape) > 1:
            scale = tensors.get(name.replace(".weight", ".scale"))
            values *= scale.to_float32().mean() if scale is not None else 1.0
            mean, spread = 0.0, tensor.shape[-1] ** -0.5
        elif name == "output_norm.weight":
            assert 0.3 < (values < 0).mean() < 0.7
            values, mean, spread = abs(values), 5.0, 0.1
        elif name != "rope_freqs.weight" and not name.endswith(".scale"):
            mean = tensor.shape[0] ** -0.25 if name.endswith(("_q_norm.weight", "_k_norm.weight")) else 1.0
            spread = 0.02 * mean
        else:
            continue
        error = spread / np.sqrt(values.size)
        assert abs(values.mean() - mean) < 5 * error, name
        if values.size > 1000:  # four-bit types add a few percent
            assert 0.93 * spread < values.std() < 1.07 * spread, name


@pytest.mark.parametrize("layers", ["1", "6", "30"])
def test_some_layers_run_with_finite_tame_activations(tmp_path, config, layers):
    """The models have one sliding layer, several layers with a full one at the end, or all layers."""
    path = synth(tmp_path / "a.gguf", config, "--preset", "BF16", "--layers", layers)
    model = gesso.load(path)
    kinds = 5 * (5 * ["sliding_attention"] + ["full_attention"])
    assert list(model.config.layer_types) == kinds[: int(layers)]
    session = model.session()
    session.encode([2, 300, 301, 302])
    canvas = np.arange(16, dtype=np.int32) + 100
    logits = session.denoise(canvas, session.denoise(canvas))[0]
    assert np.isfinite(logits).all()
    assert 3.5 < logits.std() < 6.5
    own = logits[np.arange(16), canvas]  # the logit of the token that the position has
    assert (logits.argmax(1) == canvas).mean() < 0.5
    assert own.mean() < 10


def test_the_twin_has_the_same_weights(tmp_path, config):
    ours, twin = (
        read_gguf(synth(tmp_path / f"{name}.gguf", config, "--preset", "Q4_K_M", "--layers", "6", "--as", name))
        for name in ("diffusion-gemma", "gemma4")
    )
    other = {x.name: x.data for x in twin.tensors()}
    for tensor in ours.tensors():
        if tensor.name in other:
            assert other.pop(tensor.name).tobytes() == tensor.data.tobytes(), tensor.name
        else:
            assert tensor.name.startswith("self_cond_") or ".enc_layer_output_scale." in tensor.name
    assert other == {}


def test_the_twin_has_gemma4s_keys(tmp_path, config):
    """The file has the keys that llama.cpp reads, and none of DiffusionGemma's own."""
    metadata = read_gguf(synth(tmp_path / "a.gguf", config, "--layers", "6", "--as", "gemma4")).values
    assert metadata["general.architecture"] == "gemma4"
    assert not [key for key in metadata if "diffusion" in key or key.startswith("gesso.")]
    assert "gemma4.attention.causal" not in metadata
    wanted = {
        "block_count": 6,
        "embedding_length": 256,
        "feed_forward_length": 192,
        "expert_feed_forward_length": 64,
        "expert_count": 4,
        "expert_used_count": 2,
        "embedding_length_per_layer_input": 0,
        "attention.head_count": 4,
        "attention.head_count_kv": [2, 2, 2, 2, 2, 1],
        "attention.sliding_window": 16,
        "attention.sliding_window_pattern": [True, True, True, True, True, False],
        "attention.key_length_swa": 32,
        "attention.value_length_swa": 32,
        "final_logit_softcapping": 30.0,
    }
    found = {key: metadata[f"gemma4.{key}"] for key in wanted}
    assert {key: x.tolist() if isinstance(x, np.ndarray) else x for key, x in found.items()} == wanted


def test_a_twin_without_full_layers_has_no_rope_freqs(tmp_path, config):
    text = TEXT | {"num_hidden_layers": 6}
    (config / "config.json").write_text(json.dumps(CONFIG | {"text_config": text}))
    twin = read_gguf(synth(tmp_path / "a.gguf", config, "--layers", "5", "--as", "gemma4"))
    assert "rope_freqs.weight" not in [tensor.name for tensor in twin.tensors()]


def test_the_seed_alone_decides(tmp_path, config):
    paths = [
        synth(tmp_path / f"{name}.gguf", config, "--preset", "BF16", "--layers", "2", "--seed", seed)
        for name, seed in (("one", "3"), ("two", "3"), ("other", "4"))
    ]
    one, two, other = (Path(path).read_bytes() for path in paths)
    assert one == two
    assert len(one) == len(other)
    assert one != other


def test_gesso_run_writes_words(tmp_path, config):
    path = synth(tmp_path / "a.gguf", config, "--preset", "BF16", "--layers", "2")
    status, out, err = run("run", path, "hello the world", "--max-new-tokens", "16", "--steps", "2", "--stats")
    assert status == 0, err
    assert "1 canvas, " in err
    assert " w" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--config", "{folder}/small", "--layers", "31"), "number of layers: expected 1 to 30, got 31"),
        (("--config", "{folder}/other.json"), "expected a folder or a file with the name config.json"),
        (("--preset", "NVFP4", "--as", "gemma4"), "cannot hold NVFP4"),
    ],
)
def test_what_cannot_be_made(tmp_path, config, capsys, options, message):
    options = [option.format(folder=tmp_path) for option in options]
    assert main(["synth", *options, str(tmp_path / "a.gguf")]) == 2
    assert message in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["small"]


def test_a_folder_without_a_configuration(tmp_path, capsys):
    assert main(["synth", "--config", str(tmp_path), str(tmp_path / "a.gguf")]) == 1
    assert "config.json: no such file" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("size", [5, 110, 493, 494, 600, 262144])
def test_the_tokenizer_is_valid_at_any_size(size):
    metadata = synth_tokenizer_metadata(size)
    assert len(metadata["tokenizer.ggml.tokens"]) == size == len(set(metadata["tokenizer.ggml.tokens"]))
    metadata.pop("tokenizer.ggml.scores")  # nothing reads them
    tokenizer = _ops.make_tokenizer(metadata)
    if size >= 494:
        text = "the and\n\nthey in é中🦙"
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert metadata["tokenizer.ggml.merges"] == list(MERGES)
        assert metadata["tokenizer.ggml.tokens"][238] == "<0x00>"
    assert ("tokenizer.chat_template" in metadata) == (size > 106)


def test_a_vocabulary_without_room_has_no_tokenizer():
    assert synth_tokenizer_metadata(4) == {}


def test_shapes_are_what_the_loader_wants(tmp_path, config):
    path = synth(tmp_path / "a.gguf", config, "--preset", "F16", "--layers", "7")
    source = read_gguf(path)
    assert {x.name: x.shape for x in source.tensors()} == tensor_shapes(source.values)


@pytest.mark.parametrize("field", ["hidden_size", "num_experts", "max_position_embeddings", "moe_intermediate_size"])
def test_absurd_sizes_are_refused_before_anything_is_made(tmp_path, config, capsys, field):
    absurd = CONFIG | {"text_config": TEXT | {field: 2**31 - 1}}
    (config / "config.json").write_text(json.dumps(absurd))
    assert main(["synth", "--config", str(config), str(tmp_path / "a.gguf")]) == 1
    assert "got 2147483647" in capsys.readouterr().err
