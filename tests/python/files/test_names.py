"""Names that tools leave in checkpoint folders: they are read, or the error says what the tensor is."""

from __future__ import annotations

import numpy as np
import pytest

import gesso
from gesso.files.hf import folder as hf
from gesso.files.hf.names import ALTERNATIVES, canonical_name, decoders_name, gguf_name, is_dropped
from python.expect import raises

ml_dtypes = pytest.importorskip("ml_dtypes")

from python import hf_folders  # noqa: E402
from python.hf_folders import BF16, compressed, hf_folder, unfused  # noqa: E402

LAYER = "model.decoder.layers.0"
Q_PROJ = f"{LAYER}.self_attn.q_proj.weight"
EMBEDDING = "model.decoder.embed_tokens.weight"
OPTIONS = {"max_new_tokens": 8, "max_denoising_steps": 2, "end_token_ids": []}


@pytest.fixture(scope="module")
def stored():
    """The tensors of a folder, as the reference names them."""
    return {name: data.astype(BF16) for name, data in hf_folders.values().items()}


@pytest.fixture(scope="module")
def expected(tmp_path_factory, stored):
    return contents(hf_folder(tmp_path_factory.mktemp("names") / "folder", stored=stored))


def contents(folder):
    """Returns type, shape and bytes of each tensor by its GGUF name."""
    return {t.name: (t.dtype, t.shape, t.data.tobytes()) for t in hf.read_checkpoint(folder).tensors()}


def lora_wrapped(name):
    return f"base_model.model.{name}"


RENAMINGS = {
    "PEFT": lora_wrapped,
    "torch.compile": lambda name: f"_orig_mod.{name}",
    "torch.compile of the layers": lambda name: name.replace("model.decoder.", "model.decoder._orig_mod."),
    "torch.compile of each layer": lambda name: name.replace("input_layernorm", "_orig_mod.input_layernorm"),
    "DDP": lambda name: f"module.{name}",
    "FSDP": lambda name: f"_fsdp_wrapped_module.{name.replace('.layers.0.', '.layers.0._fsdp_wrapped_module.')}",
    "checkpointed layers": lambda name: name.replace(".layers.1.", ".layers.1._checkpoint_wrapped_module."),
    "DeepSpeed": lambda name: f"_forward_module.{name}",
    "a model in a model": lambda name: f"model.{name}",
    "PEFT around torch.compile around DDP": lambda name: f"base_model.model._orig_mod.module.{name}",
    "DDP around PEFT": lambda name: f"module.base_model.model.{name}",
    "the inner model alone": lambda name: name.removeprefix("model."),
    "the inner model alone, compiled": lambda name: f"_orig_mod.{name.removeprefix('model.')}",
    "the decoder alone": lambda name: name.removeprefix("model.decoder."),
}


@pytest.mark.parametrize("rename", RENAMINGS.values(), ids=RENAMINGS.keys())
def test_prefixes_of_wrappers_are_read(tmp_path, stored, expected, rename):
    renamed = {rename(name): data for name, data in stored.items()}
    assert len(renamed) == len(stored) and renamed.keys() != stored.keys()
    assert contents(hf_folder(tmp_path / "f", stored=renamed)) == expected


@pytest.mark.parametrize(
    "name", ["", "model.", "model.decoderx.norm.weight", "model.language_model.norm.weight", "normx"]
)
def test_other_names_stay_as_they_are(name):
    assert canonical_name(name) == name


def test_two_names_of_one_tensor_are_refused(tmp_path, stored):
    twice = stored | {f"module.{Q_PROJ}": stored[Q_PROJ]}
    with raises(ValueError, f"{Q_PROJ}: module.{Q_PROJ}|module.{Q_PROJ}: {Q_PROJ}", "is the same tensor"):
        contents(hf_folder(tmp_path / "f", stored=twice))


def test_compressed_folders_have_wrappers_too(tmp_path):
    stored, _ = compressed("modelopt-nvfp4", hf_folders.values())
    plain = contents(hf_folder(tmp_path / "plain", "modelopt-nvfp4", stored=stored))
    renamed = {f"_orig_mod.{name}": data for name, data in stored.items()}
    assert contents(hf_folder(tmp_path / "renamed", "modelopt-nvfp4", stored=renamed)) == plain


# Experts.


@pytest.mark.parametrize("rename", [lambda name: name, lora_wrapped], ids=["plain", "PEFT"])
def test_experts_that_are_stored_one_by_one_are_stacked(tmp_path, stored, expected, rename):
    single = {rename(name): data for name, data in unfused(stored).items()}
    assert any(name.endswith("experts.3.gate_proj.weight") for name in single)
    assert contents(hf_folder(tmp_path / "f", stored=single)) == expected


def test_experts_without_weight_in_their_name_or_with_it(tmp_path, stored, expected):
    single = {name.removesuffix(".weight") if ".experts." in name else name: x for name, x in unfused(stored).items()}
    assert contents(hf_folder(tmp_path / "single", stored=single)) == expected
    fused = {f"{name}.weight" if ".experts." in name else name: x for name, x in stored.items()}
    assert contents(hf_folder(tmp_path / "fused", stored=fused)) == expected


def test_stacked_experts_with_gate_and_up_apart_compute_the_same(tmp_path, stored):
    apart = {}
    for name, data in stored.items():
        if name.endswith("gate_up_proj"):
            rows = data.shape[1] // 2
            apart |= {name.replace("gate_up", "gate"): data[:, :rows], name.replace("gate_up", "up"): data[:, rows:]}
        else:
            apart[name] = data
    apart = {name: np.ascontiguousarray(data) for name, data in apart.items()}
    models = [
        gesso.load(hf_folder(tmp_path / n, stored=x), activations="f32") for n, x in (("a", apart), ("b", stored))
    ]
    results = [model.generate([5, 6], seed=3, **OPTIONS).sequences for model in models]
    assert results[0] == results[1]


def test_a_converted_file_of_single_experts_is_that_of_fused_ones(tmp_path, stored):
    from gesso.cli.program import main

    for name, tensors in (("single", unfused(stored)), ("fused", stored)):
        folder = tmp_path / name
        folder.mkdir()
        assert main(["convert", str(hf_folder(folder / "model", stored=tensors)), str(tmp_path / f"{name}.gguf")]) == 0
    assert (tmp_path / "single.gguf").read_bytes() == (tmp_path / "fused.gguf").read_bytes()


EXPERT = f"{LAYER}.experts.2.up_proj.weight"


@pytest.mark.parametrize(
    ("change", "patterns"),
    [
        (lambda s: s.pop(EXPERT), [r"experts\.\*\.up_proj: expected experts 0 to 3, missing: 2"]),
        (lambda s: s.update({EXPERT.replace(".2.", ".4."): s[EXPERT]}), ["expected experts 0 to 3, unexpected: 4"]),
        (lambda s: s.update({EXPERT: s[EXPERT][:-1]}), [EXPERT, "expected the type and shape of the other experts"]),
        (lambda s: s.update({EXPERT: s[EXPERT].astype(np.float32)}), [EXPERT, "other experts, BF16"]),
        (lambda s: s.update({EXPERT: s[EXPERT].astype(np.int8)}), [EXPERT, "expected F32, F16 or BF16", "got I8"]),
        (
            lambda s: s.update({f"{LAYER}.experts.gate_up_proj": np.zeros((4, 256, 64), BF16)}),
            ["expected only one of them"],
        ),
    ],
    ids=["missing", "too many", "shape", "type", "integers", "fused as well"],
)
def test_wrong_experts_are_named(tmp_path, stored, change, patterns):
    single = unfused(stored)
    change(single)
    with raises(ValueError, *patterns):
        contents(hf_folder(tmp_path / "f", stored=single))


# Tensors that are tied, and those that are not read.


@pytest.mark.parametrize("name", [Q_PROJ, EMBEDDING, f"{LAYER}.router.scale", f"{LAYER}.experts.down_proj"])
def test_the_encoders_tensors_must_be_the_decoders(tmp_path, stored, expected, name):
    """The reference computes with both if they differ, as after training only one of them. gesso has one."""
    encoders = name.replace("model.decoder.", "model.encoder.language_model.")
    assert contents(hf_folder(tmp_path / "same", stored=stored | {encoders: stored[name]})) == expected
    other = stored[name].copy()
    other.reshape(-1)[-1] += 1
    folder = hf_folder(tmp_path / "other", stored=stored | {encoders: other})
    with raises(ValueError, encoders, f"expected the values of {name}", "share"):
        gesso.load(folder)
    only = {encoders if x == name else x: data for x, data in stored.items()}
    assert contents(hf_folder(tmp_path / "only", stored=only)) == expected


def test_the_head_must_be_the_embedding(tmp_path, stored, expected):
    head = {"lm_head.weight": stored[EMBEDDING]}
    assert contents(hf_folder(tmp_path / "same", stored=stored | head)) == expected
    folder = hf_folder(tmp_path / "other", stored=stored | {"lm_head.weight": stored[EMBEDDING] + BF16(1)})
    with raises(ValueError, "lm_head.weight: expected the values of", "head"):
        gesso.load(folder)
    smaller = hf_folder(tmp_path / "smaller", stored=stored | {"lm_head.weight": stored[EMBEDDING][:-1]})
    with raises(ValueError, "lm_head.weight: expected the values of"):
        gesso.load(smaller)


def test_a_folder_may_store_every_tied_tensor(tmp_path, stored, expected):
    """So does one that was made from a .bin file. The embedding is there three times."""
    encoder = {name.replace(".decoder.", ".encoder.language_model."): x for name, x in stored.items()}
    encoder = {name: x for name, x in encoder.items() if "self_conditioning" not in name} | stored
    assert contents(hf_folder(tmp_path / "f", stored=encoder | {"lm_head.weight": stored[EMBEDDING]})) == expected
    wrong = {"lm_head.weight": stored[EMBEDDING] * BF16(2)}
    with raises(ValueError, "lm_head.weight: expected the values of"):
        contents(hf_folder(tmp_path / "wrong", stored=encoder | wrong))


def test_layer_scalars_of_encoder_and_decoder_may_differ():
    assert decoders_name("model.encoder.language_model.layers.3.layer_scalar") is None
    assert gguf_name("model.encoder.language_model.layers.3.layer_scalar") == "blk.3.enc_layer_output_scale.weight"


BUFFERS = [
    "model.decoder.rotary_emb.inv_freq",
    "model.decoder.rotary_emb.full_attention_inv_freq",
    "model.decoder.rotary_emb.sliding_attention_original_inv_freq",
    "model.encoder.language_model.rotary_emb.full_attention_inv_freq",
    f"{LAYER}.self_attn.rotary_emb.inv_freq",
    "model.decoder.embed_tokens.embed_scale",
    "model.decoder.position_ids",
    f"{LAYER}.self_attn.q_proj._extra_state",
]


@pytest.mark.parametrize("rename", [lambda name: name, lora_wrapped], ids=["plain", "PEFT"])
def test_buffers_that_follow_from_the_configuration_are_ignored(tmp_path, stored, expected, rename):
    buffers = {rename(name): np.arange(4, dtype=np.int64) for name in BUFFERS}
    assert contents(hf_folder(tmp_path / "f", stored=stored | buffers)) == expected


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("model.decoder.surprise", "unknown tensor$"),
        (f"{LAYER}.rotary_emb.surprise", "unknown tensor$"),
        ("model.encoder.surprise.weight", "unknown tensor$"),
        (f"{LAYER}.experts.02.gate_proj.weight", "without zeros in front, experts.2 and not experts.02"),
        (f"{LAYER}.experts.0.w1.weight", "w1 is called gate_proj here, w2 down_proj, w3 up_proj"),
        (f"{LAYER}.block_sparse_moe.experts.0.gate_proj.weight", "Mixtral models have such names"),
        (f"{LAYER}.self_attn.q_proj.bias", "no layer of this model has a bias"),
        (f"base_model.model.{LAYER}.self_attn.q_proj.lora_A.default.weight", "an adapter that is not merged"),
        (f"{LAYER}.self_attn.q_proj.base_layer.weight", "an adapter that is not merged"),
        (f"{LAYER}.mlp.up_proj.qweight", "GPTQ or AWQ"),
        (f"{LAYER}.mlp.up_proj.weight_scale_inv", "FP8 with a scale per block"),
        (f"{LAYER}.mlp.up_proj.weight.absmax", "bitsandbytes"),
        (f"{LAYER}.mlp.up_proj.scales", "MLX"),
        (f"{LAYER}.mlp.up_proj.weight_packed", "no quantization_config"),
        ("model.language_model.layers.0.mlp.up_proj.weight", "Gemma 4"),
        ("optimizer.state", "training run"),
    ],
)
def test_unknown_tensors_say_what_they_may_be(tmp_path, stored, name, what):
    assert not is_dropped(canonical_name(name))
    folder = hf_folder(tmp_path / "f", stored=stored | {name: np.zeros(2, np.float32)})
    with raises(ValueError, name.replace(".", r"\."), what):
        contents(folder)


def test_an_index_that_is_missing_is_not_needed(tmp_path, stored, expected):
    folder = hf_folder(tmp_path / "f", stored=stored, num_shards=3)
    (folder / "model.safetensors.index.json").unlink()
    assert contents(folder) == expected
    (folder / "model-00002-of-00003.safetensors").unlink()
    with raises(FileNotFoundError, "model-00002-of-00003.safetensors: no such file; it is one of 00003 shards"):
        contents(folder)


def test_alternatives_do_not_hide_the_references_names():
    assert not ALTERNATIVES.keys() & hf_folders.NAMES.keys()
