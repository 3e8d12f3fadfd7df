"""Hugging Face checkpoint folders: names, metadata, tensors, and an error for everything that is not supported."""

import json

import numpy as np
import pytest

from gesso.files.hf import folder as hf
from gesso.files.hf.config import FULL, SLIDING

ml_dtypes = pytest.importorskip("ml_dtypes")
safetensors_numpy = pytest.importorskip("safetensors.numpy")

TEXT = {
    "model_type": "diffusion_gemma_text",
    "vocab_size": 300,
    "hidden_size": 8,
    "intermediate_size": 6,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 6,
    "global_head_dim": 16,
    "num_global_key_value_heads": 1,
    "max_position_embeddings": 99,
    "sliding_window": 5,
    "layer_types": [SLIDING, FULL, FULL],
    "num_experts": 3,
    "top_k_experts": 2,
    "moe_intermediate_size": 4,
    "use_bidirectional_attention": "vision",
    "rope_parameters": {
        SLIDING: {"rope_type": "default", "rope_theta": 10000},
        FULL: {"rope_type": "proportional", "rope_theta": 1e6, "partial_rotary_factor": 0.25},
    },
}
CONFIG = {"model_type": "diffusion_gemma", "canvas_length": 7, "text_config": TEXT, "eos_token_id": [1, 2]}
EMBEDDING, NORM = "model.decoder.embed_tokens.weight", "model.decoder.norm.weight"
WEIGHTS = {
    EMBEDDING: np.arange(12).reshape(3, 4).astype(ml_dtypes.bfloat16) / 7,
    NORM: np.linspace(0, 1, 4).astype(ml_dtypes.bfloat16),
    "model.decoder.layers.1.router.proj.weight": np.ones((2, 4), dtype=np.float16),
    "model.decoder.layers.0.experts.down_proj": np.arange(24, dtype=np.float16).reshape(2, 3, 4),
    "model.decoder.layers.0.layer_scalar": np.array([0.5], dtype=np.float32),
    "model.encoder.language_model.layers.0.layer_scalar": np.array([0.25], dtype=np.float32),
    "model.encoder.vision_tower.patch_embedder.input_proj.weight": np.ones((2, 2), dtype=np.float32),
}
TOKENS = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "a", "b", "ab", "▁", "<0x00>", "<0xFF>"]
TOKENIZER = {
    "added_tokens": [{"id": i, "content": token, "special": True} for i, token in enumerate(TOKENS[:5])],
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    "model": {
        "type": "BPE",
        "byte_fallback": True,
        "unk_token": "<unk>",
        "vocab": {token: i for i, token in enumerate(TOKENS)},
        "merges": [["a", "b"]],
    },
}


def write(folder, config=None, text=None, weights=None, **files):
    """Writes a checkpoint folder with CONFIG and further JSON files.

    config and text change fields of CONFIG and of its text_config; the value ... removes a field.
    """

    def changed(values, changes):
        return {k: v for k, v in {**values, **(changes or {})}.items() if k not in (changes or {}) or v is not ...}

    whole = changed(CONFIG, {"text_config": changed(TEXT, text), **(config or {})})
    (folder / "config.json").write_text(json.dumps(whole))
    safetensors_numpy.save_file(weights or WEIGHTS, folder / "model.safetensors")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("hf_name", "name"),
    [
        ("model.decoder.embed_tokens.weight", "token_embd.weight"),
        ("model.decoder.norm.weight", "output_norm.weight"),
        ("model.decoder.self_conditioning.down_proj.weight", "self_cond_down.weight"),
        ("model.decoder.layers.0.self_attn.o_proj.weight", "blk.0.attn_output.weight"),
        ("model.decoder.layers.11.pre_feedforward_layernorm.weight", "blk.11.ffn_norm.weight"),
        ("model.decoder.layers.29.post_feedforward_layernorm_2.weight", "blk.29.post_ffw_norm_2.weight"),
        ("model.decoder.layers.3.router.per_expert_scale", "blk.3.ffn_down_exps.scale"),
        ("model.decoder.layers.3.experts.gate_up_proj", "blk.3.ffn_gate_up_exps.weight"),
        ("model.decoder.layers.3.layer_scalar", "blk.3.layer_output_scale.weight"),
        ("model.encoder.language_model.layers.3.layer_scalar", "blk.3.enc_layer_output_scale.weight"),
    ],
)
def test_names(hf_name, name):
    assert hf.gguf_name(hf_name) == name
    assert not hf.is_dropped(hf_name)


@pytest.mark.parametrize(
    "hf_name",
    [
        "model.encoder.vision_tower.encoder.layers.0.input_layernorm.weight",
        "model.encoder.embed_vision.embedding_projection.weight",
        "model.decoder.layers.3.self_attn.k_scale",
        "model.decoder.layers.3.self_attn.v_proj.v_scale",
    ],
)
def test_dropped_names(hf_name):
    assert hf.is_dropped(hf_name)


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(KeyError):
        hf.gguf_name("model.decoder.layers.0.surprise.weight")
    folder = write(tmp_path, weights={**WEIGHTS, "model.decoder.surprise": np.ones(2, dtype=np.float32)})
    with pytest.raises(ValueError, match="model.decoder.surprise: unknown tensor"):
        list(hf.read_checkpoint(folder).tensors())


def test_tensors_keep_their_bits_and_vectors_become_float32(tmp_path):
    tensors = {tensor.name: tensor for tensor in hf.read_checkpoint(write(tmp_path)).tensors()}
    assert set(tensors) == {
        "token_embd.weight", "output_norm.weight", "blk.1.ffn_gate_inp.weight", "blk.0.ffn_down_exps.weight",
        "blk.0.layer_output_scale.weight", "blk.0.enc_layer_output_scale.weight", "rope_freqs.weight",
    }  # fmt: skip
    embedding = tensors["token_embd.weight"]
    assert (embedding.dtype, embedding.shape, embedding.data.dtype) == ("BF16", (3, 4), np.uint16)
    assert embedding.source == EMBEDDING
    assert (embedding.data == WEIGHTS[EMBEDDING].view(np.uint16)).all()
    assert (embedding.to_float32() == WEIGHTS[EMBEDDING].astype(np.float32)).all()
    for name, dtype in (("output_norm.weight", "F32"), ("blk.1.ffn_gate_inp.weight", "F32")):
        assert (tensors[name].dtype, tensors[name].data.dtype) == (dtype, np.float32)
    assert (tensors["output_norm.weight"].data == WEIGHTS[NORM].astype(np.float32)).all()
    experts = tensors["blk.0.ffn_down_exps.weight"]
    assert (experts.dtype, experts.shape, experts.data.dtype) == ("F16", (2, 3, 4), np.float16)
    assert tensors["blk.0.enc_layer_output_scale.weight"].data.tolist() == [0.25]


@pytest.mark.parametrize(
    ("full_rope", "rotated"),
    [
        ({"rope_type": "proportional", "rope_theta": 1e6, "partial_rotary_factor": 0.25}, 2),
        ({"rope_type": "proportional", "rope_theta": 1e6, "partial_rotary_factor": 0.4}, 3),
        ({"rope_type": "proportional", "rope_theta": 1e6}, 8),
        ({"rope_type": "default", "rope_theta": 5}, 8),
    ],
)
def test_rope_freqs_are_generated(tmp_path, full_rope, rotated):
    rope = {**TEXT["rope_parameters"], FULL: full_rope}
    checkpoint = hf.read_checkpoint(write(tmp_path, text={"rope_parameters": rope}))
    divisors = list(checkpoint.tensors())[-1]
    assert divisors.name == "rope_freqs.weight"
    assert divisors.data.dtype == np.float32
    assert divisors.data.tolist() == [1.0] * rotated + [float(np.float32(1e30))] * (8 - rotated)
    assert checkpoint.metadata["diffusion-gemma.rope.freq_base"] == full_rope["rope_theta"]


def test_shards_are_streamed_in_order_and_a_missing_one_is_named(tmp_path):
    folder = write(tmp_path)
    (folder / "model.safetensors").unlink()
    index = {EMBEDDING: "model-00001-of-00002.safetensors", NORM: "model-00002-of-00002.safetensors"}
    for name, shard in index.items():
        safetensors_numpy.save_file({name: WEIGHTS[name]}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    names = [tensor.name for tensor in hf.read_checkpoint(folder).tensors()]
    assert names == ["token_embd.weight", "output_norm.weight", "rope_freqs.weight"]
    (folder / index[NORM]).unlink()
    with pytest.raises(FileNotFoundError, match="model-00002-of-00002.safetensors"):
        hf.read_checkpoint(folder)


@pytest.mark.parametrize("name", ["../elsewhere.safetensors", "/etc/passwd", 5, None])
def test_shards_outside_the_folder_are_refused(tmp_path, name):
    folder = write(tmp_path)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {NORM: name}}))
    with pytest.raises(ValueError, match="weight_map"):
        hf.read_checkpoint(folder)


def test_missing_and_malformed_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="config.json"):
        hf.read_checkpoint(tmp_path)
    folder = write(tmp_path)
    (folder / "generation_config.json").write_text("{,}")
    with pytest.raises(ValueError, match="generation_config.json: malformed JSON"):
        hf.read_checkpoint(folder)
    (folder / "generation_config.json").unlink()
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match="model.safetensors: not a readable"):
        list(hf.read_checkpoint(folder).tensors())
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="model.safetensors"):
        hf.read_checkpoint(folder)


def test_unsupported_element_types_name_the_tensor(tmp_path):
    folder = write(tmp_path, weights={NORM: np.ones(4, dtype=np.int8)})
    with pytest.raises(ValueError, match=f"{NORM}: expected F32, F16 or BF16, got I8"):
        list(hf.read_checkpoint(folder).tensors())


def test_metadata_has_the_keys_of_a_gguf(tmp_path):
    metadata = hf.read_checkpoint(write(tmp_path)).metadata
    expected = {
        "vocab_size": 300, "block_count": 3, "context_length": 99, "embedding_length": 8, "feed_forward_length": 6,
        "attention.head_count": 4, "attention.head_count_kv": [2, 1, 1], "rope.freq_base": 1e6,
        "rope.freq_base_swa": 1e4, "attention.layer_norm_rms_epsilon": 1e-6, "expert_count": 3, "expert_used_count": 2,
        "attention.key_length": 16, "attention.value_length": 16, "final_logit_softcapping": 30.0,
        "attention.sliding_window": 5, "attention.shared_kv_layers": 0, "embedding_length_per_layer_input": 0,
        "attention.sliding_window_pattern": [True, False, False], "attention.key_length_swa": 6,
        "attention.value_length_swa": 6, "expert_feed_forward_length": 4, "rope.dimension_count": 16,
        "rope.dimension_count_swa": 6, "attention.causal": False,
    }  # fmt: skip
    assert {k: v for k, v in metadata.items() if k.startswith("diffusion-gemma.")} == {
        f"diffusion-gemma.{key}": value for key, value in expected.items()
    }
    assert isinstance(metadata["diffusion-gemma.rope.freq_base_swa"], float)
    assert metadata["diffusion.canvas_length"] == 7
    assert metadata["gesso.end_token_ids"] == [1, 2]
    assert metadata["tokenizer.ggml.bos_token_id"] == 2
    assert not any(key.startswith("diffusion.eb_") for key in metadata)
    assert "tokenizer.ggml.tokens" not in metadata
    assert "gesso.image_token_id" not in metadata, "the default id is outside this vocabulary"


def test_defaults_are_those_of_the_reference(tmp_path):
    needed = {name: TEXT[name] for name in ("num_experts", "top_k_experts", "moe_intermediate_size")}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "diffusion_gemma", "text_config": needed}))
    (tmp_path / "model.safetensors").touch()
    metadata = hf.read_checkpoint(tmp_path).metadata
    values = {key.removeprefix("diffusion-gemma."): value for key, value in metadata.items()}
    assert values["attention.sliding_window_pattern"] == [(i + 1) % 6 != 0 for i in range(30)]
    assert values["attention.head_count_kv"] == [4] * 30
    assert (values["attention.key_length"], values["attention.key_length_swa"]) == (512, 256)
    assert (values["rope.freq_base"], values["rope.freq_base_swa"]) == (1e6, 1e4)
    assert (values["embedding_length"], values["attention.sliding_window"]) == (2304, 512)
    assert values["gesso.image_token_id"] == 258880
    assert values["diffusion.canvas_length"] == 256
    assert values["gesso.end_token_ids"] == [1]


def test_per_layer_config_is_the_newer_spelling_of_the_full_layers_shapes(tmp_path):
    old = hf.read_checkpoint(write(tmp_path)).metadata
    layers = {str(i): {"head_dim": 16, "num_key_value_heads": 1} for i in (1, 2)}
    text = {"global_head_dim": ..., "num_global_key_value_heads": ..., "per_layer_config": layers}
    assert hf.read_checkpoint(write(tmp_path, text=text)).metadata == old
    layers["2"] = {"head_dim": 16}  # this layer then has as many key-value heads as the configuration gives to all
    new = hf.read_checkpoint(write(tmp_path, text=text)).metadata
    assert new["diffusion-gemma.attention.head_count_kv"] == [2, 1, 2]


def test_the_last_layer_is_always_full(tmp_path):
    metadata = hf.read_checkpoint(write(tmp_path, text={"layer_types": [FULL, SLIDING, SLIDING]})).metadata
    assert metadata["diffusion-gemma.attention.sliding_window_pattern"] == [False, True, False]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "gemma4_text"),
        ("attention_bias", True),
        ("hidden_activation", "silu"),
        ("use_bidirectional_attention", "all"),
        ("tie_word_embeddings", False),
        ("num_kv_shared_layers", 2),
        ("hidden_size_per_layer_input", 64),
        ("attention_k_eq_v", False),
        ("num_experts", ...),
        ("num_experts", None),
        ("top_k_experts", 4),
        ("moe_intermediate_size", ...),
        ("hidden_size", 0),
        ("hidden_size", -8),
        ("hidden_size", 8.5),
        ("hidden_size", True),
        ("vocab_size", "300"),
        ("vocab_size", 2**40),
        ("num_hidden_layers", 10**9),
        ("num_attention_heads", 5),
        ("global_head_dim", 15),
        ("layer_types", [SLIDING, FULL]),
        ("layer_types", [SLIDING, "chunked_attention", FULL]),
        ("layer_types", [SLIDING, [], FULL]),
        ("rms_norm_eps", float("nan")),
        ("final_logit_softcapping", None),
        ("rope_parameters", {FULL: TEXT["rope_parameters"][FULL]}),
        ("rope_parameters", {**TEXT["rope_parameters"], FULL: {"rope_type": "yarn", "rope_theta": 1e6}}),
        ("rope_parameters", {**TEXT["rope_parameters"], SLIDING: {"rope_type": "default"}}),
        ("per_layer_config", {"0": {"head_dim": 16}, "7": {}}),
        ("per_layer_config", {"1": {"head_dim": 16}}),
        ("per_layer_config", {"1": {"hidden_size": 9}}),
    ],
)
def test_unsupported_text_fields_are_named(tmp_path, field, value):
    named = {"global_head_dim": "num_attention_heads"}.get(field, field)
    with pytest.raises(ValueError, match=rf"config.json: text_config\.{named}.*: expected .*"):
        hf.read_checkpoint(write(tmp_path, text={field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "gemma4"),
        ("text_config", None),
        ("canvas_length", 0),
        ("tie_word_embeddings", False),
        ("quantization_config", "nvfp4"),
        ("quantization", {"group_size": 64, "bits": 4}),
        ("eos_token_id", "1"),
    ],
)
def test_unsupported_root_fields_are_named(tmp_path, field, value):
    with pytest.raises(ValueError, match=rf"config.json: {field}: expected .*, got"):
        hf.read_checkpoint(write(tmp_path, config={field: value}))


def test_generation_config_gives_sampler_and_end_tokens(tmp_path):
    generation = {
        "max_denoising_steps": 12, "t_min": 0, "t_max": 1, "stability_threshold": 0, "confidence_threshold": None,
        "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.2}, "eos_token_id": [5, 6],
    }  # fmt: skip
    metadata = hf.read_checkpoint(write(tmp_path, generation_config=generation)).metadata
    assert {k: v for k, v in metadata.items() if k.startswith("diffusion.eb_")} == {
        "diffusion.eb_max_steps": 12,
        "diffusion.eb_t_min": 0.0,
        "diffusion.eb_t_max": 1.0,
        "diffusion.eb_stability_threshold": 0,
        "diffusion.eb_entropy_bound": 0.2,
    }
    assert metadata["gesso.end_token_ids"] == [5, 6]
    assert hf.read_checkpoint(write(tmp_path, generation_config={"eos_token_id": 3})).metadata[
        "gesso.end_token_ids"
    ] == [3]


@pytest.mark.parametrize(
    "generation",
    [
        {"max_denoising_steps": 0},
        {"t_min": -1.0},
        {"t_max": float("inf")},
        {"sampler_config": {"_cls_name": "OtherConfig", "entropy_bound": 0.1}},
        {"sampler_config": {"_cls_name": "EntropyBoundSamplerConfig"}},
    ],
)
def test_bad_generation_fields_are_named(tmp_path, generation):
    with pytest.raises(ValueError, match=rf"generation_config.json: {next(iter(generation))}.*expected"):
        hf.read_checkpoint(write(tmp_path, generation_config=generation))


def test_tokenizer_metadata(tmp_path):
    names = {"bos_token": "<bos>", "eos_token": {"content": "<mask>"}, "chat_template": "from tokenizer_config"}
    folder = write(tmp_path, tokenizer=TOKENIZER, tokenizer_config=names)
    metadata = hf.read_checkpoint(folder).metadata
    assert metadata["tokenizer.ggml.model"] == "gemma4"
    assert metadata["tokenizer.ggml.tokens"][: len(TOKENS)] == TOKENS
    assert len(metadata["tokenizer.ggml.tokens"]) == TEXT["vocab_size"]
    assert len(set(metadata["tokenizer.ggml.tokens"])) == TEXT["vocab_size"]
    assert metadata["tokenizer.ggml.token_type"] == [3] * 5 + [1] * 4 + [6] * 2 + [5] * (300 - len(TOKENS))
    assert metadata["tokenizer.ggml.scores"] == [-1000.0] * 300
    assert metadata["tokenizer.ggml.merges"] == ["a b"]
    ids = {key: metadata[f"tokenizer.ggml.{key}_token_id"] for key in ("bos", "eos", "padding", "unknown", "mask")}
    assert ids == {"bos": 2, "eos": 4, "padding": 0, "unknown": 3, "mask": 4}
    assert metadata["tokenizer.chat_template"] == "from tokenizer_config"
    (folder / "chat_template.jinja").write_text("from its own file ▁")
    assert hf.read_checkpoint(folder).metadata["tokenizer.chat_template"] == "from its own file ▁"


def test_odd_entries_of_tokenizer_config_are_passed_over_or_named(tmp_path):
    names = {"bos_token": ["<bos>"], "eos_token": {"content": ["<eos>"]}}
    templates = [{"name": "other", "template": "no"}, {"name": "default", "template": "yes"}]
    folder = write(tmp_path, tokenizer=TOKENIZER, tokenizer_config=names | {"chat_template": templates})
    metadata = hf.read_checkpoint(folder).metadata
    assert metadata["tokenizer.chat_template"] == "yes"
    assert metadata["tokenizer.ggml.bos_token_id"] == 2  # the number of config.json
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": [5]}))
    with pytest.raises(ValueError, match=r"tokenizer_config.json: chat_template: expected an object, got 5"):
        hf.read_checkpoint(folder)


def test_special_tokens_that_are_shown_are_user_defined(tmp_path):
    tokenizer = json.loads(json.dumps(TOKENIZER))
    visible = [
        "<|tool_call>",
        "<tool_call|>",
        "<|tool_response>",
        "<tool_response|>",
        '<|"|>',
        "<|channel>",
        "<channel|>",
    ]
    tokenizer["added_tokens"] += [
        {"id": 20 + i, "content": t, "special": True} for i, t in enumerate([*visible, "<|turn>"])
    ]
    types = hf.read_checkpoint(write(tmp_path, tokenizer=tokenizer)).metadata["tokenizer.ggml.token_type"]
    assert types[20:28] == [4] * 7 + [3]


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        ("model.type", "Unigram", "model.type"),
        ("model.byte_fallback", False, "model.byte_fallback"),
        ("model.vocab", [], "model.vocab"),
        ("model.vocab", {"a": 300}, "id of 'a'"),
        ("model.vocab", {"a": -1}, "id of 'a'"),
        ("model.vocab", {"a": "1"}, "id of 'a'"),
        ("model.merges", [["a", "b c"]], "model.merges"),
        ("model.merges", ["ab"], "model.merges"),
        ("model.merges", [7], "model.merges"),
        ("normalizer", {"type": "NFC"}, "normalizer"),
        ("added_tokens", [{"id": 1}], "added_tokens.content"),
        ("added_tokens", 3, "added_tokens"),
    ],
)
def test_unsupported_tokenizers_are_named(tmp_path, place, value, named):
    tokenizer = json.loads(json.dumps(TOKENIZER))
    *outer, last = place.split(".")
    (tokenizer[outer[0]] if outer else tokenizer)[last] = value
    with pytest.raises(ValueError, match=rf"tokenizer.json: {named}.*expected"):
        hf.read_checkpoint(write(tmp_path, tokenizer=tokenizer))
