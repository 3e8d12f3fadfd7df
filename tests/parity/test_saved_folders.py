"""Folders that the reference saves in every form that it has, loaded by gesso with its default options.

tests/python/files/test_hf_saved_configs.py reads configurations of older versions, without torch.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the parity tests compare with transformers, which needs torch")
pytest.importorskip("transformers", reason="the parity tests compare with transformers")

import gesso  # noqa: E402
from parity import hf_reference, random_models  # noqa: E402

TOLERANCE = 2e-4


def deep_recipe(seed: int, num_layers: int) -> random_models.Recipe:
    """A random model with more than ten layers, two of three of them sliding. So the layers' numbers have two digits.

    Full layers have another shape than sliding ones, and only that makes the reference write their numbers.
    """
    recipe = random_models.random_recipe(seed)
    layers = [random_models.FULL if i % 3 == 2 else random_models.SLIDING for i in range(num_layers - 1)]
    text = {
        "num_hidden_layers": num_layers,
        "layer_types": [*layers, random_models.FULL],
        "head_dim": 8,
        "global_head_dim": 12,
    }
    return replace(recipe, text=recipe.text | text, damping=0.2)


def save_whole_config(model, folder) -> None:
    model.save_pretrained(folder)
    model.config.to_json_file(folder / "config.json", use_diff=False)


def save_explicit_config(model, folder) -> None:
    model.config.text_config.serialize_explicit_per_layer_config = True
    model.save_pretrained(folder)


def save_shards(model, folder) -> None:
    model.save_pretrained(folder, max_shard_size="50KB")
    assert len(list(folder.glob("*.safetensors"))) > 2


def save_bfloat16(model, folder) -> None:
    model.to(torch.bfloat16).save_pretrained(folder)


FORMS = {
    "plain": lambda model, folder: model.save_pretrained(folder),
    "whole config": save_whole_config,
    "every layer named": save_explicit_config,
    "shards": save_shards,
    "bfloat16": save_bfloat16,
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("form", FORMS)
def test_saved_folder(form, seed, tmp_path, report):
    recipe = deep_recipe(seed, num_layers=(11, 30)[seed])
    FORMS[form](random_models.build(recipe), tmp_path)
    text = json.loads((tmp_path / "config.json").read_text())["text_config"]
    assert "02" in text["per_layer_config"]  # what is being tested
    model = random_models.read_folder(tmp_path, recipe)
    rng = np.random.default_rng([8, seed])
    prompt = rng.integers(0, recipe.vocab_size - 1, 20)
    canvas = rng.integers(0, recipe.vocab_size, recipe.canvas_length)
    cache = hf_reference.encode(model, prompt)
    first = hf_reference.denoise(model, cache, canvas)
    second = hf_reference.denoise(model, cache, canvas, first / np.float32(0.6))
    session = gesso.load(tmp_path, "cpu", 1).session()
    session.encode(prompt)
    for ours, theirs in (
        (session.denoise(canvas), first),
        (session.denoise(canvas, first[None] / np.float32(0.6)), second),
    ):
        difference = np.abs(ours[0] - theirs).max()
        report.keep_largest("largest difference of two logits of saved folders", difference)
        assert difference <= TOLERANCE
