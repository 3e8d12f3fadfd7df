"""Reads from a checkpoint folder whether and how its weights are compressed, that is, stored in fewer bits.

The folder says so in `quantization_config` of its config.json, in hf_quant_config.json, or in both. gesso supports four
compressions of linear layers (`Compression` has the tensor names and types):
  modelopt NVFP4                            w = e2m1 * weight_scale * weight_scale_2
  compressed-tensors nvfp4-pack-quantized   w = e2m1 * weight_scale / weight_global_scale
  compressed-tensors float-quantized        w = e4m3 * weight_scale, one scale per output channel
  compressed-tensors int-quantized          w = int8 * weight_scale, one scale per output channel
The configuration also lists modules that are not compressed. These lists are not read, because the tensors of a layer
show whether it is compressed.

Sources: https://github.com/vllm-project/compressed-tensors (quant_args.py, the compressors' naming),
https://github.com/NVIDIA/Model-Optimizer (hf_quant_config.json of its unified export).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gesso._native import FormatError
from gesso.files.hf.config import Fields, read_json, require_json
from gesso.files.hf.foreign import kind_of_compression


@dataclass(frozen=True)
class Compression:
    """One way to compress a linear layer with weights [out, in]. Its tensors have the names `<layer>.<part>`."""

    name: str
    weight: str  # the part with the elements: [out, in]; for NVFP4 [out, in / 2] bytes with two elements each
    element_type: str
    scale_types: tuple[str, ...]  # types that `weight_scale` may have: [out, in / 16] for NVFP4, else [out, 1]
    global_scale: str = ""  # the part with NVFP4's scale of the whole layer: F32, one element
    input_scale: str = ""  # the part with a scale of the layer's inputs: F32, one element; it may be absent
    divides: bool = False  # whether values are divided by the global scales; GGUF then gets their reciprocals

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

# For each format of compressed-tensors: what its `config_groups` must say about the weights.
NVFP4_WEIGHTS: dict[str, object] = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}
COMPRESSED_TENSORS: dict[str, tuple[Compression, dict[str, object]]] = {
    "nvfp4-pack-quantized": (COMPRESSED_NVFP4, NVFP4_WEIGHTS),
    "float-quantized": (FLOAT_QUANTIZED, {"num_bits": 8, "type": "float", "strategy": "channel"}),
    "int-quantized": (INT_QUANTIZED, {"num_bits": 8, "type": "int", "strategy": "channel"}),
}
COMPRESSIONS_BY_FIELD = {"quantization": "MLX", "compression_config": "compressed-tensors of 2024"}
MODELOPT_ALGORITHMS = ("NVFP4", "W4A16_NVFP4")  # the second does not quantise activations; its weights are the same


def read_compression(directory: Path) -> Compression | None:
    """Returns the compression of a folder, or None if nothing is compressed.

    Raises FormatError if gesso does not support the compression.
    """
    config = require_json(directory / "config.json")
    for name in COMPRESSIONS_BY_FIELD:
        if config.values.get(name) is not None:
            what = kind_of_compression({"quant_method": COMPRESSIONS_BY_FIELD[name]})
            raise FormatError(f"{config.error(name, 'nothing')}: {what}")
    quantized = config.object("quantization_config") if config.values.get("quantization_config") is not None else None
    exported = read_json(directory / "hf_quant_config.json")
    if quantized is None and exported is None:
        return None
    if quantized is None or quantized.values.get("quant_method") == "modelopt":
        for fields in filter(None, (quantized, exported and exported.object("quantization"))):
            _check_modelopt(fields)
        return MODELOPT_NVFP4
    if quantized.values.get("quant_method") != "compressed-tensors":
        raise _unread(quantized, "quant_method", "'modelopt' or 'compressed-tensors'")
    return _read_compressed_tensors(quantized)


def _unread(quantized: Fields, field: str, expected: str) -> FormatError:
    """The error for a compression that gesso does not read. It names the compression in a sentence."""
    return FormatError(f"{quantized.error(field, expected)}: {kind_of_compression(quantized.values)}")


def _check_modelopt(quantized: Fields) -> None:
    """Checks the configuration of modelopt, from hf_quant_config.json or from config.json.

    Both files have `quant_algo`. The group size is in `group_size`; config.json may have it in `config_groups` instead.
    """
    if quantized.values.get("quant_algo") not in MODELOPT_ALGORITHMS:
        raise _unread(quantized, "quant_algo", " or ".join(map(repr, MODELOPT_ALGORITHMS)))
    quantized.fixed("group_size", 16)
    if quantized.values.get("config_groups") is not None:
        for _, weights in _weights_of_groups(quantized):
            weights.fixed("group_size", 16)


def _read_compressed_tensors(quantized: Fields) -> Compression:
    name = quantized.values.get("format")
    if name not in COMPRESSED_TENSORS:
        raise _unread(quantized, "format", " or ".join(map(repr, COMPRESSED_TENSORS)))
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
    """Returns each group of `config_groups`, with its field `weights`."""
    groups = quantized.object("config_groups")
    if not groups.values:
        raise quantized.error("config_groups", "at least one group")
    return [(groups.object(name), groups.object(name).object("weights")) for name in groups.values]
