"""Every metadata key and tensor that would change the results is honoured, or refused by name."""

from __future__ import annotations

import gguf
import numpy as np
import pytest

import gesso
from gesso import _native, _ops
from gesso.files.checkpoint import ARCHITECTURE, outline
from gesso.files.tensor import Tensor
from python.expect import raises
from python.tiny_model import Sizes, model_metadata, random_tensors, tokenizer_metadata


def string_constants(space: type):
    for name, value in vars(space).items():
        if name.startswith("__"):
            continue
        if isinstance(value, type):
            yield from string_constants(value)
        elif isinstance(value, str):
            yield value


def gguf_keys() -> list[str]:
    """Returns all keys that the installed package gguf knows, as they would stand in a file of this architecture."""
    keys = set()
    for key in string_constants(gguf.constants.Keys):
        for dense in ("dense_2", "dense_3"):
            keys.add(key.format(arch=ARCHITECTURE, id=0, name="tool_use", dense=dense))
    return sorted(keys)


def metadata(**changes):
    return model_metadata(Sizes()) | tokenizer_metadata(None) | changes


def load(changes=None, tensors=()):
    """Makes a model with changed metadata and further tensors. The values of its weights do not matter here."""
    return _native.Model(outline(metadata(**(changes or {})), [*random_tensors(Sizes(), 0), *tensors]), "cpu")


def test_the_list_of_keys_was_read():
    assert len(gguf_keys()) > 200
    assert "diffusion-gemma.expert_gating_func" in gguf_keys()


@pytest.mark.parametrize("key", gguf_keys())
def test_every_key_that_llama_cpp_knows_has_a_decision(key):
    """A new version of the package gguf with a new key fails here. Then csrc/api/metadata_keys.cpp has to decide it."""
    treatment = _ops.key_treatment(key, ARCHITECTURE)
    assert treatment is not None, f"{key}: csrc/api/metadata_keys.cpp does not have it"


READ = [key for key in gguf_keys() if _ops.key_treatment(key, ARCHITECTURE)[0] == "read"]
BY_THE_FILE_READER = ("general.alignment", "split.")  # they are read before a checkpoint has metadata


@pytest.mark.parametrize("key", [key for key in READ if not key.startswith(BY_THE_FILE_READER)])
def test_keys_that_are_said_to_be_read_are_read(key):
    """A value of a kind that the key cannot have is an error that names it. A key that nobody reads would pass."""
    values = metadata()
    values[key] = ["x", "y"] if key != "tokenizer.ggml.tokens" else 5
    with raises(ValueError, key.replace(".", r"\.")):
        _native.Model(outline(values, list(random_tensors(Sizes(), 0))), "cpu")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("expert_gating_func", 2, r"only 1 is supported \(the router takes a softmax\), got integer 2"),
        ("expert_gating_func", "sigmoid", "only 1 is supported"),
        ("expert_weights_norm", False, "only 1 is supported"),
        ("expert_weights_scale", 2.5, "only 1 is supported"),
        ("expert_shared_count", 1, "only 0"),
        ("expert_group_count", 8, "only 0 or 1"),
        ("attn_logit_softcapping", 50.0, "only 0 is supported"),
        ("attention.scale", 0.0625, "only 1 is supported"),
        ("attention.causal", True, "only 0 is supported"),
        ("attention.shared_kv_layers", 2, "only 0 is supported"),
        ("attention.temperature_length", [0, 0, 8192], "only 0 is supported"),
        ("embedding_length_per_layer_input", 256, "only 0 is supported"),
        ("rope.scaling.type", "yarn", 'only "none" is supported'),
        ("rope.scaling.type", "linear", 'only "none" is supported'),
        ("rope.scaling.factor", 8.0, "only 0 or 1 is supported"),
        ("rope.dimension_sections", [16, 24, 24, 0], "only 0"),
        ("logit_scale", 0.0625, "only 0 or 1"),
        ("tensor_data_layout", "Meta AI original pth", "not supported"),
        ("ssm.state_size", 16, "not supported"),
        ("attention.sliding_window_pattern", 6, "expected a value for each layer, got integer 6"),
        ("surprise", 1, "unknown key, which may change the results; got integer 1"),
        ("attention.surprise", False, "unknown key"),
    ],
)
def test_keys_of_the_architecture_that_mean_another_model(key, value, message):
    with raises(gesso.FormatError, rf"{ARCHITECTURE}\.{key}: {message}"):
        load({f"{ARCHITECTURE}.{key}": value})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("tokenizer.ggml.pre", "llama-bpe", 'only "gemma4" is supported'),
        ("tokenizer.ggml.add_space_prefix", True, "only 0 is supported"),
        ("tokenizer.ggml.remove_extra_whitespaces", True, "only 0 is supported"),
        ("tokenizer.ggml.add_eos_token", True, "only 0 is supported"),
        ("tokenizer.ggml.suppress_tokens", [5], "only an empty list is supported"),
        ("tokenizer.ggml.precompiled_charsmap", "x", "not supported"),
        ("tokenizer.ggml.surprise", 1, "unknown key"),
        ("diffusion.shift_logits", True, "only 0 is supported"),
        ("diffusion.surprise", 0.5, "unknown key"),
        ("diffusion.eb_surprise", 0.5, "unknown key"),
        ("gesso.surprise", 1, "unknown key"),
        ("xielu.alpha_p", [0.8], "not supported"),
        ("adapter.lora.alpha", 16.0, "not supported"),
    ],
)
def test_keys_of_other_spaces_that_mean_another_model(key, value, message):
    with raises(gesso.FormatError, f"{key}: {message}"):
        load({key: value})


def test_a_key_of_odd_characters_is_shown_in_plain_ones():
    with raises(gesso.FormatError, r'"diffusion\.a\\x1bb": unknown key'):
        load({"diffusion.a\x1bb": 1})


def test_all_wrong_keys_are_named_at_once():
    wrong = {f"{ARCHITECTURE}.expert_gating_func": 3, "tokenizer.ggml.pre": "qwen2", "diffusion.surprise": 1}
    with raises(gesso.FormatError, "3 problems", *wrong):
        load(wrong)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"{ARCHITECTURE}.expert_gating_func", 1),
        (f"{ARCHITECTURE}.expert_gating_func", "1"),  # files write numbers as strings
        (f"{ARCHITECTURE}.expert_weights_norm", True),
        (f"{ARCHITECTURE}.expert_weights_scale", 1.0),
        (f"{ARCHITECTURE}.attention.causal", False),
        (f"{ARCHITECTURE}.attention.scale", 1.0),
        (f"{ARCHITECTURE}.attention.clamp_kqv", [0.0, 0.0]),
        (f"{ARCHITECTURE}.rope.scaling.type", "none"),
        (f"{ARCHITECTURE}.rope.scaling.original_context_length", 8192),
        ("tokenizer.ggml.pre", "gemma4"),
        ("tokenizer.ggml.scores", [-1000.0]),
        ("tokenizer.ggml.suppress_tokens", []),
        ("tokenizer.chat_template.tool_use", "text"),
        ("diffusion.shift_logits", False),
        ("general.type", "model"),
        ("general.sampling.top_k", 64),
        ("general.surprise", "information"),
        ("quantize.imatrix.file", "i.gguf"),
        ("gemma4.surprise", 1),  # a key of another architecture has no meaning here
        (f"{ARCHITECTURE}x.surprise", 1),
    ],
)
def test_keys_that_mean_this_model(key, value):
    load({key: value})


def test_keys_of_the_other_spellings_of_the_architecture_are_checked():
    keys = metadata()
    renamed = {key.replace(f"{ARCHITECTURE}.", "diffusiongemma."): value for key, value in keys.items()}
    renamed |= {"general.architecture": "diffusiongemma", "diffusiongemma.diffusion.entropy_bound": 0.25}
    tensors = list(random_tensors(Sizes(), 0))
    config = _native.Model(outline(renamed, tensors), "cpu").config
    assert config.generation["entropy_bound"] == 0.25
    with raises(gesso.FormatError, r"diffusiongemma\.diffusion\.surprise: unknown key"):
        _native.Model(outline(renamed | {"diffusiongemma.diffusion.surprise": 1}, tensors), "cpu")


def tensor_names() -> list[str]:
    """Returns the names of all tensors that the package gguf knows, in block 0 where they belong to one."""
    bases = [name.format(bid=0, xid=0) for name in gguf.constants.TENSOR_NAMES.values()]
    return sorted({f"{base}.{part}" for base in bases for part in ("weight", "bias", "scale", "input_scale")})


def test_every_tensor_that_llama_cpp_knows_is_used_or_refused():
    """Only the scales of inputs are ignored, and only beside a weight: gesso does not round inputs with them."""
    own = {tensor.name for tensor in random_tensors(Sizes(), 0)}
    own |= {"blk.0.ffn_gate_exps.weight", "blk.0.ffn_up_exps.weight"}  # they are read in place of ffn_gate_up_exps
    honoured = {
        name
        for name in tensor_names()
        if name.endswith((".scale", ".input_scale")) and f"{name.rpartition('.')[0]}.weight" in own
    }
    optional = {"output.weight"}
    others = [name for name in tensor_names() if name not in own | honoured | optional]
    assert len(others) > 800
    zeros = np.zeros(1, np.float32)
    refused = set()
    for begin in range(0, len(others), 20):  # an error lists 20 tensors
        tensors = [Tensor(name, "F32", (1,), zeros) for name in others[begin : begin + 20]]
        with pytest.raises(gesso.FormatError) as caught:
            load(tensors=tensors)
        refused |= {name for name in others if f"unexpected {name} [1]" in str(caught.value)}
    assert refused == set(others)


def test_an_untied_head_is_used():
    sizes = Sizes()
    head = Tensor(
        "output.weight", "F32", (sizes.vocab_size, sizes.hidden_size), np.zeros((sizes.vocab_size, 32), np.float32)
    )
    load(tensors=[head])
    with raises(gesso.FormatError, "output.weight: expected shape"):
        load(tensors=[Tensor("output.weight", "F32", (5, 32), np.zeros((5, 32), np.float32))])


@pytest.mark.parametrize("name", ["blk.0.attn_q.bias", "blk.0.attn_sinks.weight", "rope_factors_long.weight"])
def test_tensors_that_mean_another_model(name):
    with raises(gesso.FormatError, rf"unexpected {name} \[1\]"):
        load(tensors=[Tensor(name, "F32", (1,), np.zeros(1, np.float32))])
