"""Compressed checkpoint folders: gesso reads the values that each compression defines, and refuses everything else.

The expected values come from `hf_folders.py`, which computes them in float64 from the bytes of the file. Where a value
needs one float32 product, gesso's value must be the exact one rounded to float32, bit for bit. Where it needs more
products, each may add a relative error of 2^-24.
"""

import json

import gguf.quants as gguf_quants
import numpy as np
import pytest

import gesso
from gesso.cli.program import main
from gesso.files.gguf_writer import write_gguf
from gesso.files.hf import folder as hf
from gesso.files.hf.shards import StoredTensor
from gesso.loading import load
from python.expect import raises

ml_dtypes = pytest.importorskip("ml_dtypes")

from python import hf_folders  # noqa: E402
from python.hf_folders import COMPRESSED, compressed, hf_folder  # noqa: E402

MODELOPT, NVFP4, FP8 = "modelopt-nvfp4", "nvfp4-pack-quantized", "float-quantized"
EXPERTS = "model.decoder.layers.0.experts"
GATE = f"{EXPERTS}.2.gate_proj"
NUM_EXPERTS, CANVAS = 4, 8


@pytest.fixture(scope="module")
def weights():
    return hf_folders.values()


def read(folder):
    return {tensor.name: tensor for tensor in hf.read_checkpoint(folder).tensors()}


def nvfp4_values(tensor):
    """Returns elements times block scales, as the package gguf decodes them."""
    data = tensor.data.reshape(-1, tensor.data.shape[-1])
    return gguf_quants.dequantize(data, gguf_quants.GGMLQuantizationType.NVFP4).reshape(tensor.shape)


def stacked(meant, layer, projection):
    prefix = f"model.decoder.layers.{layer}.experts"
    return np.stack([meant[f"{prefix}.{expert}.{projection}_proj.weight"] for expert in range(NUM_EXPERTS)])


def assert_rounded(read, meant, roundings):
    """Checks that float32 values differ from the exact ones by at most so many roundings."""
    if roundings == 1:
        assert (read == meant.astype(np.float32)).all()
    assert (np.abs(read - meant) <= roundings * 2.0**-24 * (1 + 2.0**-20) * np.abs(meant)).all()


@pytest.mark.parametrize(("compression", "roundings"), [(MODELOPT, 1), (NVFP4, 2)])
def test_nvfp4_experts_keep_their_values(tmp_path, weights, compression, roundings):
    stored, meant = compressed(compression, weights)
    tensors = read(hf_folder(tmp_path / "f", compression, stored=stored))
    for layer in range(2):
        for projection in ("gate", "up"):
            name = f"blk.{layer}.ffn_{projection}_exps"
            scale = tensors[f"{name}.scale"]
            assert (scale.dtype, scale.shape, scale.data.dtype) == ("F32", (NUM_EXPERTS,), np.float32)
            values = nvfp4_values(tensors[f"{name}.weight"]) * scale.data[:, None, None]
            assert tensors[f"{name}.weight"].dtype == "NVFP4"
            assert_rounded(values, stacked(meant, layer, projection), roundings)
        # Here the scale has two factors: the weight scale, and the router's factor on the expert's output.
        name, router = f"blk.{layer}.ffn_down_exps", f"model.decoder.layers.{layer}.router.per_expert_scale"
        values = nvfp4_values(tensors[f"{name}.weight"]) * tensors[f"{name}.scale"].data[:, None, None]
        per_expert = stored[router].astype(np.float64)[:, None, None]
        assert_rounded(values, stacked(meant, layer, "down") * per_expert, roundings + 1)
    assert not any("gate_up_exps" in name for name in tensors)


def test_nvfp4_dense_layers_keep_their_values(tmp_path, weights):
    stored, meant = compressed(NVFP4, weights)
    tensors = read(hf_folder(tmp_path / "f", NVFP4, stored=stored))
    for projection in ("gate", "up", "down"):
        weight, scale = (tensors[f"blk.1.ffn_{projection}.{part}"] for part in ("weight", "scale"))
        assert (weight.dtype, scale.shape) == ("NVFP4", (1,))
        assert_rounded(
            nvfp4_values(weight) * scale.data, meant[f"model.decoder.layers.1.mlp.{projection}_proj.weight"], 2
        )


def test_global_scales_of_modelopt_multiply_and_those_of_compressed_tensors_divide(tmp_path, weights):
    for compression, part, value in ((MODELOPT, "weight_scale_2", 0.25), (NVFP4, "weight_global_scale", 4.0)):
        stored, _ = compressed(compression, weights)
        stored[f"{GATE}.{part}"] = np.full_like(stored[f"{GATE}.{part}"], value)
        assert (
            read(hf_folder(tmp_path / compression, compression, stored=stored))["blk.0.ffn_gate_exps.scale"].data[2]
            == 0.25
        )


def test_every_code_and_every_block_scale_comes_through(tmp_path, weights):
    stored, _ = compressed(MODELOPT, weights)
    bits = stored[f"{GATE}.weight"].view(np.uint8)
    bits[:] = np.random.default_rng(0).integers(0, 256, bits.shape)
    scales = stored[f"{GATE}.weight_scale"].view(np.uint8)
    scales[:] = (np.arange(scales.size) % 0x7F).reshape(scales.shape)
    gate = read(hf_folder(tmp_path / "f", MODELOPT, stored=stored))["blk.0.ffn_gate_exps.weight"]
    codes = np.stack([bits & 15, bits >> 4], axis=-1).reshape(len(bits), -1).view(hf_folders.E2M1)
    expected = hf_folders.exact(codes, stored[f"{GATE}.weight_scale"])
    assert (nvfp4_values(gate)[2] == expected).all()


@pytest.mark.parametrize(("compression", "part"), [(MODELOPT, "input_scale"), (NVFP4, "input_global_scale")])
def test_input_scales_are_kept(tmp_path, weights, compression, part):
    stored, _ = compressed(compression, weights)
    tensors = read(hf_folder(tmp_path / "f", compression, stored=stored))
    given = np.array([stored[f"{EXPERTS}.{e}.gate_proj.{part}"].item() for e in range(NUM_EXPERTS)], np.float32)
    expected = given if compression == MODELOPT else np.float32(1) / given
    assert (tensors["blk.0.ffn_gate_exps.input_scale"].data == expected).all()
    assert ("blk.0.ffn_gate.input_scale" in tensors) == (compression == NVFP4)
    without = {name: data for name, data in stored.items() if not name.endswith(part)}
    assert not any("input_scale" in name for name in read(hf_folder(tmp_path / "g", compression, stored=without)))


@pytest.mark.parametrize("compression", [name for name in COMPRESSED if "nvfp4" not in name])
def test_scaled_channels_become_bf16_to_nearest_even(tmp_path, weights, compression):
    stored, meant = compressed(compression, weights)
    tensors = read(hf_folder(tmp_path / "f", compression, stored=stored))

    def expected(values):
        return values.astype(np.float32).astype(ml_dtypes.bfloat16).view(np.uint16)

    for layer in range(2):
        fused = np.concatenate([stacked(meant, layer, "gate"), stacked(meant, layer, "up")], axis=1)
        experts = {"gate_up": fused, "down": stacked(meant, layer, "down")}
        for name, values in experts.items():
            tensor = tensors[f"blk.{layer}.ffn_{name}_exps.weight"]
            assert (tensor.dtype, tensor.shape, tensor.data.dtype) == ("BF16", values.shape, np.uint16)
            assert (tensor.data == expected(values)).all()
        router = stored[f"model.decoder.layers.{layer}.router.per_expert_scale"].astype(np.float32)
        assert (tensors[f"blk.{layer}.ffn_down_exps.scale"].data == router).all()
        for hf_part, part in (
            ("self_attn.q_proj", "attn_q"),
            ("self_attn.o_proj", "attn_output"),
            ("mlp.up_proj", "ffn_up"),
        ):
            values = meant[f"model.decoder.layers.{layer}.{hf_part}.weight"]
            assert (tensors[f"blk.{layer}.{part}.weight"].data == expected(values)).all()


def test_every_fp8_code_has_its_value(tmp_path, weights):
    stored, _ = compressed(FP8, weights)
    name = "model.decoder.layers.0.mlp.gate_proj"
    codes = stored[f"{name}.weight"].view(np.uint8)
    codes[:] = np.arange(codes.size).reshape(codes.shape) % 256
    stored[f"{name}.weight_scale"][:] = 1
    read_values = read(hf_folder(tmp_path / "f", FP8, stored=stored))["blk.0.ffn_gate.weight"].to_float32()
    np.testing.assert_array_equal(read_values, codes.view(hf_folders.E4M3).astype(np.float32))


@pytest.mark.parametrize("compression", COMPRESSED)
def test_listing_reads_headers_only(tmp_path, weights, compression, monkeypatch):
    folder = hf_folder(tmp_path / "f", compression, weights=weights)
    values = StoredTensor.values
    monkeypatch.setattr(StoredTensor, "values", property(lambda self: pytest.fail(f"{self.name} was read")))
    tensors = list(hf.read_checkpoint(folder).tensors())
    assert main(["inspect", str(folder)]) == 0
    assert main(["convert", str(folder), str(tmp_path / "a.gguf"), "--dry-run"]) == 0
    monkeypatch.setattr(StoredTensor, "values", values)
    for tensor in tensors:
        assert tensor.data.nbytes == tensor.num_bytes


def logits(model):
    canvas = np.random.default_rng(0).integers(0, model.config.vocab_size, (1, CANVAS))
    session = model.session(1)
    session.encode([[2, 20, 30, 40]])
    return session.denoise(canvas)


@pytest.mark.parametrize("compression", ["bf16", *COMPRESSED])
def test_logits_of_the_folder_and_of_its_gguf_are_equal_bit_for_bit(tmp_path, weights, compression):
    folder = hf_folder(tmp_path / "f", compression, weights=weights)
    checkpoint = hf.read_checkpoint(folder)
    write_gguf(tmp_path / "a.gguf", checkpoint.metadata, checkpoint.tensors())
    expected = logits(load(folder))
    assert np.isfinite(expected).all()
    assert (logits(load(tmp_path / "a.gguf")) == expected).all()


@pytest.mark.parametrize("compression", COMPRESSED)
def test_logits_are_those_of_the_values_that_are_meant(tmp_path, weights, compression):
    stored, meant = compressed(compression, weights)
    is_nvfp4 = "nvfp4" in compression
    plain = {name: (fused(meant, name) if ".experts." in name else meant[name]).astype(np.float32) for name in weights}
    folders = [
        hf_folder(tmp_path / "plain", weights=plain, stored=plain if is_nvfp4 else None),  # float32, or else BF16
        hf_folder(tmp_path / "compressed", compression, stored=stored),
    ]
    expected, got = (logits(load(folder, "cpu", activations="f32")) for folder in folders)
    # NVFP4's scales are multiplied with the sums and not with each weight, so float32 rounds in other places. The
    # tolerance is tight: without one of the scales, the logits are completely different.
    if is_nvfp4:
        assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()
    else:
        assert (got == expected).all()


def fused(meant, name):
    """Makes a tensor of the original checkpoint from the values of all experts."""
    layer = int(name.split(".")[3])
    projections = ["down"] if name.endswith("down_proj") else ["gate", "up"]
    return np.concatenate([stacked(meant, layer, projection) for projection in projections], axis=1)


def test_a_compressed_cache_is_no_obstacle(tmp_path, weights):
    stored, _ = compressed(FP8, weights)
    for name in ("k_scale", "v_scale", "k_proj.k_scale"):
        stored[f"model.decoder.layers.0.self_attn.{name}"] = np.ones(1, np.float32)
    load(hf_folder(tmp_path / "f", FP8, stored=stored))


def without(*endings):
    return lambda stored: {name: data for name, data in stored.items() if not name.endswith(endings)}


def changed(name, change):
    """Returns a function that changes one tensor. `change` is a function of the tensor, or an array to replace it."""
    return lambda stored: {**stored, name: change(stored[name]) if callable(change) else change}


def copied(old, new):
    """Returns a function that adds copies of all tensors with `old` in their names, with `new` in its place."""
    return lambda stored: stored | {name.replace(old, new): data for name, data in stored.items() if old in name}


def smaller_expert(stored):
    parts = {name: data[:64].copy() for name, data in stored.items() if name.startswith(f"{GATE}.")}
    return stored | parts


DENSE = "model.decoder.layers.1.mlp.gate_proj"
PARTS = ("weight", "weight_scale", "weight_scale_2", "input_scale")
WRONG_TENSORS = {
    "weight missing": (MODELOPT, without("0.experts.2.gate_proj.weight"), [r"2\.gate_proj\.weight: missing"]),
    "block scale missing": (MODELOPT, without("0.experts.2.gate_proj.weight_scale"), [r"weight_scale: missing"]),
    "scale missing": (MODELOPT, without("2.gate_proj.weight_scale_2"), [r"weight_scale_2: missing"]),
    "divisor missing": (NVFP4, without("2.gate_proj.weight_global_scale"), [r"weight_global_scale: missing"]),
    "channel scale missing": (FP8, without("q_proj.weight_scale"), [r"q_proj\.weight_scale: missing"]),
    "expert missing": (
        MODELOPT,
        without(*(f"0.experts.3.down_proj.{part}" for part in PARTS)),
        [r"layers\.0\.experts\.\*\.down_proj: expected experts 0 to 3, missing: 3"],
    ),
    "expert too many": (
        MODELOPT,
        copied("0.experts.3.gate_proj", "0.experts.4.gate_proj"),
        [r"gate_proj: expected experts 0 to 3, unexpected: 4"],
    ),
    "expert twice": (MODELOPT, copied(".2.gate_proj", ".02.gate_proj"), [r"02\.gate_proj.weight: unknown"]),
    "expert smaller": (FP8, smaller_expert, [r"other experts.*\[128, 64\], got F8_E4M3 \[64, 64\]"]),
    "input scale of some": (MODELOPT, without("0.experts.2.gate_proj.input_scale"), ["of all experts, got 3"]),
    "weight type": (MODELOPT, changed(f"{GATE}.weight", lambda x: x.view(np.int8)), [r"U8 \[out, in\], got I8"]),
    "weight rank": (MODELOPT, changed(f"{GATE}.weight", lambda x: x.reshape(-1)), [r"U8 \[out, in\], got U8"]),
    "block scale type": (
        MODELOPT,
        changed(f"{GATE}.weight_scale", lambda x: x.astype(np.float32)),
        ["expected F8_E4M3.*got F32"],
    ),
    "block scale shape": (
        MODELOPT,
        changed(f"{GATE}.weight_scale", lambda x: x[:, :2].copy()),
        [r"\[128, 4\], got F8_E4M3 \[128, 2\]"],
    ),
    "channel scale type": (
        FP8,
        changed(f"{DENSE}.weight_scale", lambda x: x.astype(np.float16)),
        ["expected BF16 or F32.*got F16"],
    ),
    "channel scale shape": (
        FP8,
        changed(f"{DENSE}.weight_scale", lambda x: x.reshape(2, -1)),
        [r"BF16 or F32 \[64, 1\], got BF16 \[2, 32\]"],
    ),
    "scale shape": (
        NVFP4,
        changed(f"{GATE}.weight_global_scale", np.ones(2, np.float32)),
        [r"F32 \[\] or \[1\], got F32 \[2\]"],
    ),
    "scale type": (MODELOPT, changed(f"{GATE}.weight_scale_2", np.ones(1, np.int8)), ["expected F32.*got I8"]),
    "rows of half a block": (
        NVFP4,
        changed(f"{DENSE}.weight_packed", np.zeros((64, 16), np.uint8)),
        ["multiple of 64"],
    ),
    "unknown layer": (NVFP4, copied("layers.1.mlp.gate_proj", "surprise"), ["surprise.weight: unknown tensor"]),
    "compressed and not": (
        NVFP4,
        changed(f"{DENSE}.weight", np.zeros((64, 64), np.float32)),
        ["gate_proj.weight and .*gate_proj: expected only one of them"],
    ),
    "no router scale": (MODELOPT, without("0.router.per_expert_scale"), ["per_expert_scale.*missing"]),
}


@pytest.mark.parametrize("case", WRONG_TENSORS)
def test_wrong_tensors_are_named(tmp_path, weights, case):
    compression, change, patterns = WRONG_TENSORS[case]
    stored = change(compressed(compression, weights)[0])
    folder = hf_folder(tmp_path / "f", compression, stored=stored)
    with raises(ValueError, *patterns):
        read(folder)


@pytest.mark.parametrize(
    ("compression", "part", "value", "tensor"),
    [
        (MODELOPT, "weight_scale_2", -0.5, "scale"),
        (MODELOPT, "weight_scale_2", np.inf, "scale"),
        (MODELOPT, "weight_scale_2", np.nan, "scale"),
        (NVFP4, "weight_global_scale", 0.0, "scale"),
        (NVFP4, "weight_global_scale", -1.0, "scale"),
        (MODELOPT, "weight_scale", -1.0, "weight"),
        (MODELOPT, "weight_scale", np.nan, "weight"),
    ],
)
def test_scales_that_are_no_positive_numbers_are_named(tmp_path, weights, compression, part, value, tensor):
    stored, _ = compressed(compression, weights)
    stored[f"{GATE}.{part}"].reshape(-1)[-1] = value
    tensors = read(hf_folder(tmp_path / "f", compression, stored=stored))
    with raises(ValueError, rf"{GATE}\.{part}: expected .*positive"):
        tensors[f"blk.0.ffn_gate_exps.{tensor}"].data  # noqa: B018


def changed_group(compression, **changes):
    config = json.loads(json.dumps(COMPRESSED[compression][0]))
    config["config_groups"]["group_0"]["weights"] |= changes
    return config


@pytest.mark.parametrize(
    ("config", "patterns"),
    [
        ({"quant_method": "awq", "bits": 4}, [r"quantization_config\.quant_method", "got 'awq'", "modelopt"]),
        ({"quant_method": "gptq", "bits": 4}, ["got 'gptq'"]),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, ["got 'fp8'", "compressed-tensors"]),
        ({"group_size": 64, "bits": 4}, ["quant_method: expected .* got nothing"]),
        ({"quant_method": "modelopt"}, ["quant_algo: expected 'NVFP4'.* got nothing"]),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, ["quant_algo: .* got 'MIXED_PRECISION'"]),
        (
            changed_group(MODELOPT, group_size=32),
            [r"config_groups\.group_0\.weights\.group_size: expected 16", "got 32"],
        ),
        (
            {"quant_method": "compressed-tensors", "format": "pack-quantized"},
            ["format: .* got 'pack-quantized'", "nvfp4"],
        ),
        ({"quant_method": "compressed-tensors", "format": "mixed-precision"}, ["format: .* got 'mixed-precision'"]),
        ({"quant_method": "compressed-tensors", "format": FP8}, ["config_groups: expected an object, got nothing"]),
        ({**COMPRESSED[FP8][0], "config_groups": {}}, ["config_groups: expected at least one group"]),
        ({**COMPRESSED[FP8][0], "quantization_status": "frozen"}, ["quantization_status: expected 'compressed'"]),
        ({**COMPRESSED[FP8][0], "sparsity_config": {"format": "sparse-24-bitmask"}}, [r"sparsity_config\.format"]),
        (changed_group(FP8, strategy="block"), [r"weights\.strategy: expected 'channel'", "got 'block'"]),
        (changed_group(FP8, strategy="tensor"), [r"weights\.strategy: expected 'channel'", "got 'tensor'"]),
        (changed_group(FP8, num_bits=None), [r"weights\.num_bits: expected 8", "got None"]),
        (changed_group(FP8, type="int"), [r"weights\.type: expected 'float'", "got 'int'"]),
        (changed_group("int-quantized", symmetric=False), [r"weights\.symmetric: expected True"]),
        (changed_group(NVFP4, group_size=32), [r"weights\.group_size: expected 16", "got 32"]),
        (changed_group(NVFP4, actorder="group"), [r"weights\.actorder"]),
    ],
)
def test_unsupported_layouts_are_named(tmp_path, config, patterns):
    whole = hf_folders.config("bf16", hf_folders.Sizes()) | {"quantization_config": config}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    with raises(ValueError, r"config\.json: quantization_config", "expected", *patterns):
        hf.read_checkpoint(tmp_path)


def test_modelopt_may_say_it_in_its_own_file_alone(tmp_path, weights):
    folder = hf_folder(tmp_path / "f", MODELOPT, weights=weights)
    expected = [tensor.name for tensor in hf.read_checkpoint(folder).tensors()]
    quantized = folder / "hf_quant_config.json"
    quantized.write_text(json.dumps(hf_folders.HF_QUANT_CONFIG))
    assert [tensor.name for tensor in hf.read_checkpoint(folder).tensors()] == expected
    (folder / "config.json").write_text(json.dumps(hf_folders.config("bf16", hf_folders.Sizes(**hf_folders.SIZES))))
    assert [tensor.name for tensor in hf.read_checkpoint(folder).tensors()] == expected
    quantized.write_text(json.dumps({"quantization": {"quant_algo": "NVFP4", "group_size": 32}}))
    with raises(ValueError, r"hf_quant_config\.json: quantization\.group_size: expected 16", "got 32"):
        hf.read_checkpoint(folder)
    quantized.write_text(json.dumps({"quantization": {"quant_algo": "FP8"}}))
    with raises(ValueError, r"hf_quant_config\.json: quantization\.quant_algo", "got 'FP8'"):
        hf.read_checkpoint(folder)


def test_compressed_weights_without_a_configuration_are_no_floats(tmp_path, weights):
    stored, _ = compressed(FP8, weights)
    folder = hf_folder(tmp_path / "f", "bf16", stored=without("weight_scale")(stored))
    with raises(ValueError, "expected F32, F16 or BF16, got F8_E4M3"):
        gesso.load(folder)


def shifted(path):
    """Moves the data of a safetensors file to an odd address. The format allows a header of any length."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + size] + b" " * (1 + size % 2)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + size :])


@pytest.mark.parametrize("compression", ["bf16", *COMPRESSED])
def test_data_at_odd_addresses_are_read_where_they_are(tmp_path, weights, compression):
    even, odd = (hf_folder(tmp_path / name, compression, weights=weights) for name in ("even", "odd"))
    for shard in odd.glob("*.safetensors"):
        shifted(shard)
    read_even, read_odd = read(even), read(odd)
    stored = hf.read_checkpoint(odd).shards.tensors().values()
    assert any(not tensor.values.flags.aligned for tensor in stored)
    for tensor in stored:  # a copy may take 1 GB
        assert np.shares_memory(tensor.values, tensor.opened.part(tensor.begin, tensor.end))
    for name, tensor in read_even.items():
        np.testing.assert_array_equal(tensor.data, read_odd[name].data)
    canvas = [[5] * CANVAS]
    logits = []
    for folder in (even, odd):
        session = load(folder).session()
        session.encode([2, 5])
        logits.append(session.denoise(canvas))
    np.testing.assert_array_equal(*logits)
