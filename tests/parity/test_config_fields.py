"""gesso has decided every field of the configuration classes of transformers, and reads what they save."""

import dataclasses
import json

import pytest
from transformers import DiffusionGemmaConfig, DiffusionGemmaTextConfig, Gemma4Config, Gemma4TextConfig

from gesso.files.hf import known_fields
from gesso.files.hf.config import Fields, read_config_metadata

CLASSES = {
    "root": ((DiffusionGemmaConfig, Gemma4Config), known_fields.ROOT),
    "text": ((DiffusionGemmaTextConfig, Gemma4TextConfig), known_fields.TEXT),
}


@pytest.mark.parametrize("place", CLASSES)
def test_every_field_has_a_decision(place):
    classes, groups = CLASSES[place]
    names = {field.name for one in classes for field in dataclasses.fields(one)}
    assert len(names) > 15
    assert [name for name in sorted(names) if not any(group.has(name) for group in groups)] == []


def test_a_saved_configuration_is_accepted(tmp_path):
    """All fields are written, also those that have their default."""
    text = {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 8, "num_hidden_layers": 6}
    config = DiffusionGemmaConfig(text_config=text)
    config.save_pretrained(tmp_path)
    read_config_metadata(tmp_path)
    whole = json.loads(json.dumps(config.to_dict(), default=str))
    known_fields.check_fields(Fields(tmp_path, whole), known_fields.ROOT)
    known_fields.check_fields(Fields(tmp_path, whole["text_config"]), known_fields.TEXT)
