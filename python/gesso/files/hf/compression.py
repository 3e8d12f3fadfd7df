"""How a checkpoint folder says that its weights are compressed: `quantization_config`, `hf_quant_config.json`.

Supported are four layouts of linear layers (tensor names and dtypes in `Compression`):
  modelopt NVFP4                            w = e2m1 * weight_scale * weight_scale_2
  compressed-tensors nvfp4-pack-quantized   w = e2m1 * weight_scale / weight_global_scale
  compressed-tensors float-quantized        w = e4m3 * weight_scale, one scale per output channel
  compressed-tensors int-quantized          w = int8 * weight_scale, one scale per output channel
Which layers are compressed shows in the tensors themselves, so the lists of modules to ignore are not read.

Sources: https://github.com/vllm-project/compressed-tensors (quant_args.py, the compressors' naming),
https://github.com/NVIDIA/Model-Optimizer (hf_quant_config.json of its unified export).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesso.files.hf.config import Fields, read_json


@dataclass(frozen=True)
class Compression:
    """The tensors `<layer>.<part>` of one compressed linear layer with weights [out, in]."""

    name: str
    weight: str  # the part with the elements: U8 [out, in / 2], two to a byte, or `element_type` [out, in]
    element_type: str
    scale_types: tuple[str, ...]  # of `weight_scale`: [out, in / 16] or, per channel, [out, 1]
    global_scale: str = ""  # NVFP4: F32, one element
    input_scale: str = ""  # F32, one element; may be absent
    divides: bool = False  # whether the global scales divide, and GGUF needs their reciprocals

    @property
    def is_nvfp4(self) -> bool:
        return bool(self.global_scale)

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.weight, "weight_scale", self.global_scale, self.input_scale)))


MODELOPT_NVFP4 = Compression("modelopt NVFP4", "weight", "U8", ("F8_E4M3",), "weight_scale_2", "input_scale")
COMPRESSED_NVFP4 = Compression(
    "nvfp4-pack-quantized", "weight_packed", "U8", ("F8_E4M3",), "weight_global_scale", "input_global_scale", True
)
FLOAT_QUANTIZED = Compression("float-quantized", "weight", "F8_E4M3", ("BF16", "F32"))
INT_QUANTIZED = Compression("int-quantized", "weight", "I8", ("BF16", "F32"))

# What `config_groups` of compressed-tensors must say about the weights of each format.
NVFP4_WEIGHTS = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}
COMPRESSED_TENSORS: dict[str, tuple[Compression, dict[str, Any]]] = {
    "nvfp4-pack-quantized": (COMPRESSED_NVFP4, NVFP4_WEIGHTS),
    "float-quantized": (FLOAT_QUANTIZED, {"num_bits": 8, "type": "float", "strategy": "channel"}),
    "int-quantized": (INT_QUANTIZED, {"num_bits": 8, "type": "int", "strategy": "channel"}),
}
MODELOPT_ALGORITHMS = ("NVFP4", "W4A16_NVFP4")  # the second leaves activations alone; its weights are the same


def read_compression(directory: Path) -> Compression | None:
    """The compression of a folder, None when nothing is compressed. ValueError for everything that is not supported."""
    config = read_json(directory / "config.json", required=True)
    for name in ("quantization", "compression_config"):  # mlx; compressed-tensors of 2024
        if config.values.get(name) is not None:
            raise config.error(name, "nothing; supported is quantization_config of modelopt and compressed-tensors")
    quantized = config.object("quantization_config") if config.values.get("quantization_config") is not None else None
    exported = read_json(directory / "hf_quant_config.json")
    if quantized is None and exported is None:
        return None
    if quantized is None or quantized.values.get("quant_method") == "modelopt":
        for fields in filter(None, (quantized, exported and exported.object("quantization"))):
            _check_modelopt(fields)
        return MODELOPT_NVFP4
    if quantized.values.get("quant_method") != "compressed-tensors":
        raise quantized.error("quant_method", "'modelopt' or 'compressed-tensors'")
    return _read_compressed_tensors(quantized)


def _check_modelopt(quantized: Fields) -> None:
    """Of hf_quant_config.json, or of config.json, which repeats it and has the group size in `config_groups`."""
    if quantized.values.get("quant_algo") not in MODELOPT_ALGORITHMS:
        raise quantized.error("quant_algo", " or ".join(map(repr, MODELOPT_ALGORITHMS)))
    quantized.fixed("group_size", 16)
    if quantized.values.get("config_groups") is not None:
        for _, weights in _weights_of_groups(quantized):
            weights.fixed("group_size", 16)


def _read_compressed_tensors(quantized: Fields) -> Compression:
    name = quantized.values.get("format")
    if name not in COMPRESSED_TENSORS:
        raise quantized.error("format", " or ".join(map(repr, COMPRESSED_TENSORS)))
    compression, expected = COMPRESSED_TENSORS[name]
    quantized.fixed("quantization_status", "compressed")
    if quantized.values.get("sparsity_config"):
        quantized.object("sparsity_config").fixed("format", "dense")
    for group, weights in _weights_of_groups(quantized):
        group.fixed("format", name)
        weights.fixed("symmetric", True)
        weights.fixed("actorder", None)
        for field, only in expected.items():
            if weights.values.get(field) is None:
                raise weights.error(field, repr(only))
            weights.fixed(field, only)
    return compression


def _weights_of_groups(quantized: Fields) -> list[tuple[Fields, Fields]]:
    """Each of `config_groups`, with its `weights`."""
    groups = quantized.object("config_groups")
    if not groups.values:
        raise quantized.error("config_groups", "at least one group")
    return [(groups.object(name), groups.object(name).object("weights")) for name in groups.values]
