"""Every field of a folder's JSON files that would change the results is honoured, or refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import gesso
from gesso.files.hf import folder as hf
from gesso.files.hf import known_fields
from gesso.files.hf.config import FULL, SLIDING
from python.expect import raises

pytest.importorskip("ml_dtypes")

from python import hf_folders
from python.hf_folders import hf_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return hf_folder(tmp_path_factory.mktemp("fields") / "folder", num_shards=1)


@pytest.fixture
def read(folder, tmp_path):
    """Reads the folder with fields of a JSON file changed: `read("config", "text_config.head_dim", 8)`."""

    def read(file: str, place: str, value: object):
        for name in ("model.safetensors", "chat_template.jinja"):
            shutil.copy(folder / name, tmp_path)
        for name in ("config", "tokenizer", file):
            source = folder / f"{name}.json"
            whole = json.loads(source.read_text()) if source.exists() else {}
            if name == file:
                *outer, last = place.split(".")
                values = whole
                for part in outer:
                    values = values[int(part)] if isinstance(values, list) else values[part]
                values[last] = value
            (tmp_path / f"{name}.json").write_text(json.dumps(whole))
        return hf.read_checkpoint(tmp_path).metadata

    return read


CHANGED = [
    ("config", "auto_map", {"AutoModel": "modeling_other.Other"}, "code of its own"),
    ("config", "tie_word_embeddings", False, "use the decoder's weights"),
    ("config", "surprise", 1, "expected no such field"),
    ("config", "pruned_heads", {"0": [1]}, "all heads are computed"),
    ("config", "text_config.surprise", False, "expected no such field, because it may change the results"),
    ("config", "text_config.rope_scaling", {"type": "linear", "factor": 8.0}, "expected no such field"),
    ("config", "text_config.attn_logit_softcapping", 50.0, "expected no such field"),
    ("config", "text_config.query_pre_attn_scalar", 256, "expected no such field"),
    ("config", "text_config.attention_bias", True, "expected False"),
    ("config", "text_config.hidden_activation", "silu", "expected 'gelu_pytorch_tanh'"),
    ("config", "text_config.use_bidirectional_attention", "all", "expected 'vision'"),
    ("config", "text_config.attention_k_eq_v", False, "expected True"),
    ("config", "text_config.enable_moe_block", False, "expected True"),
    ("config", "text_config.enable_moe_block", 1, "expected True"),
    ("config", "text_config.use_double_wide_mlp", True, "expected False"),
    (
        "config", f"text_config.rope_parameters.{FULL}",
        {"rope_type": "proportional", "rope_theta": 1e6, "partial_rotary_factor": 0.25, "factor": 8.0},
        "factor: expected 1",
    ),
    (
        "config", f"text_config.rope_parameters.{SLIDING}",
        {"rope_type": "default", "rope_theta": 1e4, "attention_factor": 1.5},
        "attention_factor: expected no such field",
    ),
    ("config", "text_config.rope_parameters.chunked_attention", {}, "expected no such field"),
    ("generation_config", "surprise", 1, "expected no such field"),
    ("generation_config", "sampler_config",
     {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.1, "surprise": 2},
     "surprise: expected no such field"),
    ("tokenizer", "pre_tokenizer", {"type": "Whitespace"}, "pre_tokenizer: expected nothing, or a split"),
    ("tokenizer", "pre_tokenizer", {"type": "ByteLevel", "add_prefix_space": False}, "pre_tokenizer: expected"),
    ("tokenizer", "normalizer", {"type": "NFKC"}, "normalizer: expected"),
    ("tokenizer", "decoder", {"type": "ByteLevel"}, "decoder: expected"),
    ("tokenizer", "post_processor", {"type": "ByteLevel"}, "post_processor: expected"),
    ("tokenizer", "post_processor",
     {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<eos>"}}]},
     "post_processor: expected"),
    ("tokenizer", "surprise", {}, "expected no such field"),
    ("tokenizer", "model.ignore_merges", True, "expected False"),
    ("tokenizer", "model.dropout", 0.1, "expected 0"),
    ("tokenizer", "model.end_of_word_suffix", "</w>", "expected ''"),
    ("tokenizer", "model.surprise", 1, "expected no such field"),
    ("tokenizer", "added_tokens.6.lstrip", True, "lstrip: expected False"),
    ("tokenizer", "added_tokens.6.rstrip", True, "rstrip: expected False"),
    ("tokenizer", "added_tokens.6.single_word", True, "single_word: expected False"),
    ("tokenizer_config", "add_eos_token", True, "expected False"),
    ("tokenizer_config", "add_bos_token", "yes", "expected true or false"),
    ("tokenizer_config", "add_prefix_space", True, "expected False"),
    ("tokenizer_config", "clean_up_tokenization_spaces", True, "expected False"),
    ("tokenizer_config", "do_lower_case", True, "expected False"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "place", "value", "message"), CHANGED)
def test_fields_that_mean_another_model(read, file, place, value, message):
    name = place.split(".")[0] if place.split(".")[0] != "text_config" else place.split(".")[1]
    with raises(ValueError, rf"{file}\.json: .*{name}.*got", message):
        read(file, place, value)


SAME = [
    ("config", "architectures", ["DiffusionGemmaForBlockDiffusion"]),
    ("config", "transformers_version", "5.24.0"),
    ("config", "unsloth_version", "2026.10.9"),
    ("config", "vision_config", {"hidden_size": 1152}),
    ("config", "boi_token_id", 255999),
    ("config", "surprise", None),
    ("config", "text_config.attention_bias", False),
    ("config", "text_config.attention_dropout", 0.1),
    ("config", "text_config.dtype", "bfloat16"),
    ("config", "text_config.top_k", 50),  # a sampler's setting that older versions wrote into every configuration
    ("config", "text_config.rope_scaling", None),
    ("generation_config", "max_new_tokens", 256),
    ("generation_config", "top_k", 64),  # the reference's sampler does not read these
    ("generation_config", "temperature", 0.7),
    ("generation_config", "do_sample", False),
    ("generation_config", "suppress_tokens", [5]),
    ("config", "model_name", "unsloth/diffusiongemma"),
    ("config", "text_config.router_aux_loss_coef", 0.001),
    ("config", "pretraining_tp", 1),
    ("generation_config", "_from_model_config", True),
    ("tokenizer", "version", "1.0"),
    ("tokenizer", "truncation", {"max_length": 512}),
    (
        "tokenizer", "pre_tokenizer",
        {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
    ),
    (
        "tokenizer", "decoder",
        {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        ]},
    ),
    (
        "tokenizer", "post_processor",
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<bos>"}}, {"Sequence": {"id": "A"}}]},
    ),
    ("tokenizer", "added_tokens.6.lstrip", False),
    ("tokenizer", "model.fuse_unk", True),
    ("tokenizer_config", "add_bos_token", True),
    ("tokenizer_config", "clean_up_tokenization_spaces", False),
    ("tokenizer_config", "model_max_length", 10**30),
]  # fmt: skip


@pytest.mark.parametrize(("file", "place", "value"), SAME)
def test_fields_that_mean_this_model(read, folder, file, place, value):
    assert read(file, place, value) | {"general.name": "folder"} == hf.read_checkpoint(folder).metadata


def test_a_prompt_gets_no_bos_where_the_tokenizer_says_so(read):
    assert read("tokenizer_config", "add_bos_token", False)["tokenizer.ggml.add_bos_token"] is False


@pytest.mark.parametrize(("content", "fits"), [("<x>", True), ("a b", True), ("a▁b", False)])
def test_added_tokens_that_are_found_in_normalised_text(tmp_path, content, fits):
    """The normalizer makes ▁ of a space. A token with ▁ would be found where a text has a space."""
    folder, tokenizer = hf_folder(tmp_path / "folder"), hf_folders.tokenizer()
    last, i = list(tokenizer["model"]["vocab"].items())[-1]
    del tokenizer["model"]["vocab"][last]
    tokenizer["model"]["merges"] = [merge for merge in tokenizer["model"]["merges"] if last not in merge]
    tokenizer["added_tokens"].append({"id": i, "content": content, "special": True, "normalized": True})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    if fits:
        assert hf.read_checkpoint(folder).metadata["tokenizer.ggml.tokens"][i] == content
        return
    with raises(ValueError, "added_tokens.normalized: expected false"):
        hf.read_checkpoint(folder)


def test_an_adapter_beside_the_model_is_refused(tmp_path):
    """The reference applies it."""
    folder = hf_folder(tmp_path / "folder")
    (folder / "adapter_config.json").write_text("{}")
    with raises(gesso.FormatError, "adapter_config.json: an adapter lies beside the model"):
        gesso.load(folder)


def test_every_field_of_the_references_classes_has_a_decision():
    """The list has the fields of transformers 5.24. tests/parity compares it with the installed version."""
    fields = json.loads((Path(__file__).parents[2] / "golden/config_fields.json").read_text())
    groups = {"root": known_fields.ROOT, "text": known_fields.TEXT, "generation": known_fields.GENERATION}
    assert fields.keys() == groups.keys()
    for place, names in fields.items():
        assert len(names) > 20
        undecided = [name for name in names if not any(group.has(name) for group in groups[place])]
        assert undecided == [], place
