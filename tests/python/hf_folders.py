"""Makes small Hugging Face checkpoint folders with random weights, in every layout that gesso reads.

    folder = hf_folder(tmp_path / "folder", "modelopt-nvfp4")
    folder = hf_folder(tmp_path / "folder", "bf16", weights=values(sizes))
    stored, expected = compressed("float-quantized", weights)   the stored tensors, and the values that they stand for

A compression is "bf16" or one of `COMPRESSED`. The layouts come from the file headers of published repositories, which
each function names. The values follow from the definition of the compression, computed in float64, with ml_dtypes for
the element types. No code of gesso is used for them.
"""

import json
import re

import ml_dtypes
import numpy as np
import safetensors.numpy

from gesso.files.hf.config import FULL, SLIDING
from gesso.files.hf.names import NAMES
from python.tiny_model import CHAT_TEMPLATE, CONTROLS, MERGES, VOCABULARY, Sizes, random_tensors, tensor_shapes

# NVFP4 needs rows whose length is a multiple of 64.
SIZES = {
    "hidden_size": 64, "intermediate_size": 64, "moe_intermediate_size": 128, "layer_types": (SLIDING, FULL)
}  # fmt: skip
BF16, E4M3, E2M1 = ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float4_e2m1fn
EXPERTS, MLP, ATTENTION = r"\.experts\.", r"\.mlp\.", r"\.self_attn\.[qkvo]_proj\."


def hf_name(name):
    """Returns the Hugging Face name of a GGUF tensor."""
    layer = re.match(r"blk\.(\d+)\.", name)
    known = {gguf_name: hf_name for hf_name, gguf_name in NAMES.items()}
    found = known[re.sub(r"^blk\.\d+\.", "blk.N.", name)]
    return found.replace("N", layer[1], 1) if layer else found


def shapes(**sizes):
    """Maps the Hugging Face names of all weights to their shapes."""
    return {hf_name(name): shape for name, shape in tensor_shapes(Sizes(**{**SIZES, **sizes}))}


def values(seed=0, **sizes):
    """Maps Hugging Face names to random weights, float32, that BF16 holds exactly.

    Experts are fused as in the original checkpoint.
    """
    tensors = random_tensors(Sizes(**{**SIZES, **sizes}), seed)
    return {hf_name(tensor.name): to_bf16(tensor.data) for tensor in tensors if tensor.name != "rope_freqs.weight"}


def to_bf16(data):
    return np.asarray(data).astype(BF16).astype(np.float32)


def unfused(weights):
    """Returns the same weights with one tensor per expert and projection, as compressed checkpoints have them."""
    split = {}
    for name, data in weights.items():
        if name.endswith((".gate_up_proj", ".down_proj")) and ".experts." in name:
            for expert, matrix in enumerate(data):
                halves = {"gate": matrix[: len(matrix) // 2], "up": matrix[len(matrix) // 2 :]}
                for projection, part in halves.items() if "gate_up" in name else [("down", matrix)]:
                    split[f"{name.rpartition('.')[0]}.{expert}.{projection}_proj.weight"] = np.ascontiguousarray(part)
        else:
            split[name] = data
    return split


def nvfp4(weight):
    """Returns codes [out, in], block scales [out, in / 16] in e4m3 and a scale of the whole matrix.

    With these scales the largest values fit into NVFP4's range.
    """
    blocks = weight.reshape(len(weight), -1, 16).astype(np.float64)
    largest = np.abs(blocks).max(axis=-1)
    scale = np.float32(max(largest.max(), 1e-6) / (6 * 448))
    scales = np.maximum(largest / 6 / scale, 2.0**-9).astype(E4M3)
    codes = (blocks / (scales.astype(np.float64)[..., None] * scale)).astype(E2M1)
    return codes.reshape(weight.shape), scales, scale


def pack(codes):
    """Packs two codes into a byte. The code with the even index is the low half."""
    bits = codes.view(np.uint8)
    return bits[:, 0::2] | bits[:, 1::2] << 4


def exact(codes, scales):
    """Returns each code times the scale of its block of 16, in float64. Each product is also exact in float32."""
    return codes.astype(np.float64) * np.repeat(scales.astype(np.float64), 16, axis=-1)


def modelopt_nvfp4(layer, weight, rng):
    """As in nvidia/diffusiongemma-26B-A4B-it-NVFP4: w = e2m1 * weight_scale * weight_scale_2. Scalars have shape []."""
    codes, scales, scale = nvfp4(weight)
    stored = {
        "weight": pack(codes),
        "weight_scale": scales,
        "weight_scale_2": np.array(scale),
        "input_scale": np.array(rng.uniform(0.01, 1), np.float32),
    }
    return {f"{layer}.{part}": data for part, data in stored.items()}, exact(codes, scales) * np.float64(scale)


def compressed_nvfp4(layer, weight, rng):
    """As in RedHatAI/...-NVFP4: w = e2m1 * weight_scale / weight_global_scale. Scalars have shape [1]."""
    codes, scales, scale = nvfp4(weight)
    divisor = np.float32(1 / np.float64(scale))
    stored = {
        "weight_packed": pack(codes),
        "weight_scale": scales,
        "weight_global_scale": np.array([divisor]),
        "input_global_scale": rng.uniform(1, 100, 1).astype(np.float32),
    }
    return {f"{layer}.{part}": data for part, data in stored.items()}, exact(codes, scales) / np.float64(divisor)


def per_channel(element_type, largest, scale_type):
    """As in RedHatAI/...-FP8-dynamic, and for INT8: w = element * weight_scale, with one scale [out, 1] per channel."""

    def compress(layer, weight, rng):
        scales = (np.abs(weight).max(axis=1, keepdims=True) / largest).astype(scale_type)
        elements = weight.astype(np.float64) / scales.astype(np.float64)
        elements = (np.rint(elements).clip(-127, 127) if element_type == np.int8 else elements).astype(element_type)
        stored = {f"{layer}.weight": elements, f"{layer}.weight_scale": scales}
        return stored, elements.astype(np.float64) * scales.astype(np.float64)

    return compress


def group(num_bits, kind, strategy, group_size=None):
    weights = {"num_bits": num_bits, "type": kind, "strategy": strategy, "group_size": group_size, "symmetric": True}
    return {"targets": ["Linear"], "weights": {**weights, "dynamic": False, "actorder": None}, "format": None}


def compressed_tensors(name, weights):
    ignore = ["lm_head", "re:.*router", "re:.*self_conditioning.*"]
    return {
        "quant_method": "compressed-tensors", "format": name, "quantization_status": "compressed", "ignore": ignore,
        "config_groups": {"group_0": weights}, "kv_cache_scheme": None, "sparsity_config": {},
    }  # fmt: skip


MODELOPT = {
    "quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head", "*mlp*", "*router*", "*self_attn*"],
    "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "float", "group_size": 16, "dynamic": False}}},
    "kv_cache_scheme": {"num_bits": 8, "type": "float", "dynamic": False}, "producer": {"name": "modelopt"},
}  # fmt: skip
HF_QUANT_CONFIG = {
    "producer": {"name": "modelopt", "version": "0.45.0"},
    "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16, "exclude_modules": []},
}
FLOAT, INT = group(8, "float", "channel"), group(8, "int", "channel")
# For each compression: its quantization_config, a pattern of the layers that are compressed, and how they are.
COMPRESSED = {
    "modelopt-nvfp4": (MODELOPT, EXPERTS, modelopt_nvfp4),
    "nvfp4-pack-quantized": (
        compressed_tensors("nvfp4-pack-quantized", group(4, "float", "tensor_group", 16)), f"{MLP}|{EXPERTS}",
        compressed_nvfp4,
    ),
    "float-quantized": (
        compressed_tensors("float-quantized", FLOAT), f"{ATTENTION}|{MLP}|{EXPERTS}", per_channel(E4M3, 448, BF16)
    ),
    "float-quantized-f32": (
        compressed_tensors("float-quantized", FLOAT), f"{ATTENTION}|{MLP}|{EXPERTS}", per_channel(E4M3, 448, np.float32)
    ),
    "int-quantized": (
        compressed_tensors("int-quantized", INT), f"{ATTENTION}|{MLP}|{EXPERTS}", per_channel(np.int8, 127, BF16)
    ),
}  # fmt: skip


def compressed(compression, weights, seed=1):
    """Returns the tensors that a checkpoint of this compression stores, and the float64 values that they stand for."""
    _, pattern, compress = COMPRESSED[compression]
    rng = np.random.default_rng(seed)
    stored, meant = {}, {}
    for name, data in unfused(weights).items():
        if data.ndim == 2 and re.search(pattern, name):
            parts, meant[name] = compress(name.removesuffix(".weight"), data, rng)
            stored |= parts
        else:
            stored[name], meant[name] = data.astype(BF16), data.astype(np.float64)
    return stored, meant


def config(compression, sizes):
    text = {
        "model_type": "diffusion_gemma_text",
        "num_hidden_layers": len(sizes.layer_types),
        "layer_types": list(sizes.layer_types),
        "use_bidirectional_attention": "vision",
        "rope_parameters": {
            SLIDING: {"rope_type": "default", "rope_theta": 10000},
            FULL: {"rope_type": "proportional", "rope_theta": 1e6, "partial_rotary_factor": 0.25},
        },
    }
    same = {name: value for name, value in vars(sizes).items() if name not in ("layer_types", "max_denoising_steps")}
    whole = {"model_type": "diffusion_gemma", "canvas_length": same.pop("canvas_length"), "text_config": same | text}
    return whole | ({"quantization_config": COMPRESSED[compression][0]} if compression in COMPRESSED else {})


def tokenizer():
    special = [{"id": i, "content": token, "special": True} for i, token in enumerate(CONTROLS)]
    vocab = {token: i for i, token in enumerate(VOCABULARY)}
    model = {"type": "BPE", "byte_fallback": True, "unk_token": "<unk>", "vocab": vocab}
    normalizer = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    return {
        "added_tokens": special,
        "normalizer": normalizer,
        "model": model | {"merges": [merge.split(" ") for merge in MERGES]},
    }


def write_weights(folder, stored, num_shards=2):
    """Writes the tensors into several files with an index, or for num_shards=1 into one file without an index."""
    names, weight_map = list(stored), {}
    for shard in range(num_shards):
        part = {name: stored[name] for name in names[shard::num_shards]}
        file = f"model-{shard + 1:05}-of-{num_shards:05}.safetensors" if num_shards > 1 else "model.safetensors"
        safetensors.numpy.save_file(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    if num_shards > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def hf_folder(folder, compression="bf16", *, weights=None, stored=None, num_shards=2, **sizes):
    """Writes a folder and returns its path. weights: as from `values`. stored: tensors to store instead of those."""
    folder.mkdir()
    weights = values(**sizes) if weights is None else weights
    if stored is None and compression == "bf16":
        stored = {name: data.astype(BF16) for name, data in weights.items()}
    write_weights(folder, compressed(compression, weights)[0] if stored is None else stored, num_shards)
    (folder / "config.json").write_text(json.dumps(config(compression, Sizes(**{**SIZES, **sizes}))))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    return folder
