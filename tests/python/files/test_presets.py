"""The type of each tensor: it is that of the published files, and where there is none, it follows llama.cpp's rules."""

from collections import Counter
from types import SimpleNamespace

import pytest

from gesso.files.presets import PRESETS, plan_types
from python.expect import raises
from python.gguf_manifest import FILES, LAYERS, read_manifest
from python.tiny_model import Sizes, tensor_shapes

FIRST = [f"blk.{i}.{name}.weight" for i in range(LAYERS // 8) for name in ("ffn_down", "ffn_down_exps")]


def plan(preset, tensors=None, **options):
    """Returns the plan for the published model, or for `tensors`."""
    return plan_types(preset, tensors or read_manifest()["BF16"], num_layers=LAYERS, **options)


def tiny(**sizes):
    return [SimpleNamespace(name=name, shape=shape) for name, shape in tensor_shapes(Sizes(**sizes))]


@pytest.mark.parametrize("preset", FILES)
def test_the_published_files(preset):
    expected = {entry.name: entry.type for entry in read_manifest()[preset]}
    assert plan(preset) == expected
    assert PRESETS[preset].file_type == FILES[preset][0]


def test_file_types_are_llama_cpps():
    numbers = {name: preset.file_type for name, preset in PRESETS.items()}
    assert numbers == {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 7, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18} | {
        "IQ4_XS": 30,
        "BF16": 32,
        "NVFP4": 39,
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_what_every_preset_leaves_alone(preset):
    types = plan(preset)
    matrices = [entry for entry in read_manifest()["BF16"] if entry.type != "F32"]
    assert {types[entry.name] for entry in read_manifest()["BF16"] if entry.type == "F32"} == {"F32"}
    assert ({types[entry.name] for entry in matrices} == {"F32"}) == (preset == "F32")


def test_iq4_xs_spends_more_on_the_first_layers_unless_importance_is_known():
    types = plan("IQ4_XS")
    assert Counter(types.values()) == {"F32": 423, "IQ4_XS": 207, "IQ4_NL": 55, "Q5_1": 6, "Q6_K": 1}
    # The rule says Q5_K. Rows of 704 elements do not fit it and get Q5_1.
    assert [name for name, dtype in types.items() if dtype == "Q5_1"] == sorted(FIRST)
    types = plan("IQ4_XS", has_importance=True)
    assert {types[name] for name in FIRST} == {"IQ4_NL"}


def test_q4_0_spends_more_on_the_first_layers_when_importance_is_known():
    assert {plan("Q4_0")[name] for name in FIRST} == {"Q4_0"}
    types = plan("Q4_0", has_importance=True)
    assert [name for name, dtype in types.items() if dtype == "Q4_1"] == sorted(FIRST)


@pytest.mark.parametrize(("heads", "expected"), [(4, "IQ4_XS"), (8, "Q5_K")])
def test_iq4_xs_spends_more_on_values_that_many_heads_share(heads, expected):
    tensors = tiny(hidden_size=256, num_attention_heads=heads)  # there are 2 key-value heads
    assert plan("IQ4_XS", tensors)["blk.0.attn_v.weight"] == expected


@pytest.mark.parametrize(
    ("preset", "attn_q", "attn_v", "attn_output"),
    [("Q4_K_M", "Q4_K", "Q8_0", "Q5_K"), ("Q5_K_M", "Q5_K", "Q8_0", "Q5_K"), ("Q4_0", "Q4_0", "Q8_0", "Q4_0")],
)
def test_models_of_eight_experts_can_afford_attention(preset, attn_q, attn_v, attn_output):
    types = plan(preset, tiny(hidden_size=256, num_experts=8, num_attention_heads=16, num_key_value_heads=4))
    names = ("attn_q", "attn_v", "attn_k", "attn_output")
    assert [types[f"blk.0.{name}.weight"] for name in names] == [attn_q, attn_v, attn_v, attn_output]


@pytest.mark.parametrize(
    ("preset", "columns", "expected"),
    [
        ("Q4_K_M", 256, "Q4_K"), ("Q4_K_M", 288, "Q5_0"), ("Q4_K_M", 255, "F16"),
        ("Q5_K_M", 288, "Q5_1"), ("Q6_K", 288, "Q8_0"), ("IQ4_XS", 288, "IQ4_NL"), ("Q8_0", 33, "F16"),
        ("NVFP4", 64, "NVFP4"), ("NVFP4", 96, "Q4_0"), ("NVFP4", 1, "F16"), ("BF16", 1, "BF16"),
    ],
)  # fmt: skip
def test_rows_that_are_no_whole_blocks(preset, columns, expected):
    tensors = [SimpleNamespace(name="self_cond_gate.weight", shape=(2, columns))]
    assert plan(preset, tensors) == {"self_cond_gate.weight": expected}


@pytest.mark.parametrize(
    ("preset", "columns", "expected"),
    [
        ("Q4_K_M", 256, "Q6_K"), ("Q4_K_M", 288, "Q8_0"), ("Q4_0", 288, "Q8_0"), ("Q8_0", 256, "Q8_0"),
        ("NVFP4", 256, "Q6_K"), ("NVFP4", 64, "Q8_0"), ("F16", 256, "F16"),
    ],
)  # fmt: skip
def test_the_embedding_is_the_head_too(preset, columns, expected):
    embedding = SimpleNamespace(name="token_embd.weight", shape=(8, columns))
    assert plan(preset, [embedding]) == {embedding.name: expected}


def test_a_head_of_its_own_frees_the_embedding():
    tensors = [SimpleNamespace(name=name, shape=(8, 256)) for name in ("token_embd.weight", "output.weight")]
    assert list(plan("Q4_K_M", tensors).values()) == ["Q4_K", "Q6_K"]
    assert list(plan("NVFP4", tensors).values()) == ["Q6_K", "Q6_K"]  # NVFP4 needs a scale, and these have none


def test_of_several_overrides_the_last_one_wins():
    types = plan(
        "Q4_K_M", overrides=[(r"attn_(q|k)\.", "F16"), (r"blk\.1\.attn_k", "BF16"), ("^blk.1.ffn_down", "F32")]
    )
    assert [types[f"blk.{i}.attn_k.weight"] for i in range(3)] == ["F16", "BF16", "F16"]
    assert types["blk.7.attn_q.weight"] == "F16"
    assert (types["blk.1.ffn_down_exps.weight"], types["blk.1.ffn_down_exps.scale"]) == ("F32", "F32")
    assert types["blk.1.attn_k_norm.weight"] == "F32"


def test_overrides_that_cannot_be_meant():
    with raises(ValueError, "attn_x=F16: matches no matrix"):
        plan("Q4_K_M", overrides=[("attn_x", "F16")])
    with raises(ValueError, "norm=F16: matches no matrix"):
        plan("Q4_K_M", overrides=[("norm", "F16")])
    with raises(ValueError, r"\(=F16: not a regular expression"):
        plan("Q4_K_M", overrides=[("(", "F16")])
    for name in ("Q9_Z", "Q8_K", ""):
        with raises(ValueError, f"attn_q={name}: expected a type that gesso can write: F32, F16"):
            plan("Q4_K_M", overrides=[("attn_q", name)])
    with raises(ValueError, r"ffn_down=Q4_K: blk.0.ffn_down.weight: rows of 2112"):
        plan("Q4_K_M", overrides=[("ffn_down", "Q4_K")])
    with raises(ValueError, "token_embd.weight: NVFP4 needs a scale"):
        plan("Q4_K_M", overrides=[("token_embd", "NVFP4")])
    with raises(ValueError, "unknown preset 'Q4'; known: F32, F16"):
        plan("Q4")
