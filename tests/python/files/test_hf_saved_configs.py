"""Configurations as versions of transformers save them. tests/golden/make_saved_configs.py wrote them: one model, saved
by several versions in every form that they have. tests/parity loads whole folders."""

import json
import re
from pathlib import Path

import pytest

from gesso.files.hf.config import FULL, SLIDING, read_config_metadata
from gesso.files.hf.generation import read_generation_metadata

SAVED = sorted((Path(__file__).parents[2] / "golden" / "saved_configs").iterdir())
IS_SLIDING = [True, True, False] * 2 + [True] * 5 + [False]
# What make_saved_configs.py sets, under the names of GGUF.
EXPECTED = {
    "diffusion-gemma.vocab_size": 300, "diffusion-gemma.block_count": 12, "diffusion-gemma.context_length": 999,
    "diffusion-gemma.embedding_length": 48, "diffusion-gemma.feed_forward_length": 24,
    "diffusion-gemma.attention.head_count": 6,
    "diffusion-gemma.attention.head_count_kv": [3 if is_sliding else 2 for is_sliding in IS_SLIDING],
    "diffusion-gemma.rope.freq_base": 2e5, "diffusion-gemma.rope.freq_base_swa": 5000.0,
    "diffusion-gemma.attention.layer_norm_rms_epsilon": 1e-5,
    "diffusion-gemma.expert_count": 6, "diffusion-gemma.expert_used_count": 3,
    "diffusion-gemma.attention.key_length": 20, "diffusion-gemma.attention.value_length": 20,
    "diffusion-gemma.final_logit_softcapping": 20.0, "diffusion-gemma.attention.sliding_window": 7,
    "diffusion-gemma.attention.sliding_window_pattern": IS_SLIDING,
    "diffusion-gemma.attention.key_length_swa": 12, "diffusion-gemma.attention.value_length_swa": 12,
    "diffusion-gemma.expert_feed_forward_length": 20,
    "diffusion.canvas_length": 9, "gesso.image_token_id": 299, "gesso.end_token_ids": [5, 6],
    "tokenizer.ggml.bos_token_id": 3, "tokenizer.ggml.padding_token_id": 4,
    "diffusion.eb_max_steps": 12, "diffusion.eb_entropy_bound": 0.25, "diffusion.eb_t_min": 0.5,
    "diffusion.eb_t_max": 0.75, "diffusion.eb_stability_threshold": 2, "diffusion.eb_confidence_threshold": 0.125,
}  # fmt: skip


def test_old_and_new_forms_are_there():
    forms = [(folder / "config.json").read_text() for folder in SAVED]
    assert any('"global_head_dim": 20' in form for form in forms)
    assert any('"05": {' in form for form in forms)
    assert any('"05": {' in form and '"04": {' in form for form in forms)  # every layer is named
    assert any('"problem_type": null' in form for form in forms)  # fields that equal the defaults are written too
    assert any(json.loads(form)["transformers_version"] == "5.24.0" for form in forms)


@pytest.mark.parametrize("folder", SAVED, ids=lambda folder: folder.name)
def test_every_version_saves_the_same_model(folder):
    metadata, rotated_pairs = read_config_metadata(folder)
    metadata |= read_generation_metadata(folder, {}, 300)
    assert {key: metadata.get(key) for key in EXPECTED} == EXPECTED
    assert rotated_pairs == 5


def metadata_of(tmp_path, layers):
    """The heads and head dims of a model with two full layers and these overrides."""
    text = {
        "num_hidden_layers": 12, "layer_types": [SLIDING] * 5 + [FULL] + [SLIDING] * 5 + [FULL], "head_dim": 8,
        "num_attention_heads": 6, "num_key_value_heads": 3, "num_experts": 2, "top_k_experts": 1,
        "moe_intermediate_size": 4, "per_layer_config": layers,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "diffusion_gemma", "text_config": text}))
    metadata, _ = read_config_metadata(tmp_path)
    names = ("head_count_kv", "key_length", "key_length_swa")
    return [metadata[f"diffusion-gemma.attention.{name}"] for name in names]


@pytest.mark.parametrize(("five", "eleven"), [("5", "11"), ("05", "11"), ("005", "011")])
def test_zeros_before_a_layer_number(tmp_path, five, eleven):
    layers = {five: {"head_dim": 16, "num_key_value_heads": 2}, eleven: {"head_dim": 16, "num_key_value_heads": 1}}
    assert metadata_of(tmp_path, layers) == [[3] * 5 + [2] + [3] * 5 + [1], 16, 8]


@pytest.mark.parametrize("layers", [{}, None])
def test_no_layer_differs(tmp_path, layers):
    """transformers writes {} where the overrides equal the values for all layers."""
    assert metadata_of(tmp_path, layers) == [[3] * 12, 8, 8]


@pytest.mark.parametrize("key", ["12", "012", "-5", "+5", " 5", "5 ", "0_5", "5.0", "", "٥", "9" * 5000])
def test_what_is_no_layer_number(tmp_path, key):
    with pytest.raises(ValueError, match=r"per_layer_config\..*: expected a layer number below 12"):
        metadata_of(tmp_path, {key: {"head_dim": 16}})


def test_a_layer_given_twice(tmp_path):
    expected = "text_config.per_layer_config.05: expected each layer once, got layer 5 twice"
    with pytest.raises(ValueError, match=re.escape(expected)):
        metadata_of(tmp_path, {"5": {"head_dim": 16}, "05": {"head_dim": 16}, "11": {"head_dim": 16}})
