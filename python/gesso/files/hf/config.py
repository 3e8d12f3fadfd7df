"""Turns config.json of a checkpoint into GGUF metadata. Every field is checked.

A field that is absent has the default of the reference's configuration classes (`DiffusionGemmaConfig`,
`DiffusionGemmaTextConfig`).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from gesso import _native
from gesso._native import FormatError
from gesso.files.checkpoint import ARCHITECTURE, Value, short
from gesso.files.hf.folder_file import read_text
from gesso.files.hf.foreign import kind_of_file, kind_of_model, looks_like
from gesso.files.hf.known_fields import ROOT, ROPE, ROPE_PARAMETERS, TEXT, check_fields
from gesso.files.locate import checkpoint_name
from gesso.files.tensor import fits_float32

SLIDING, FULL = "sliding_attention", "full_attention"


class Fields:
    """The fields of one JSON object. Its methods read a field and check it.

    file, where: the object's place, for error messages; `where` is for example "text_config.".
    """

    def __init__(self, file: Path, values: object, where: str = ""):
        self.file, self.where = file, where
        if not isinstance(values, dict):
            raise FormatError(f"{file}: {where or 'the file'}: expected an object, got {short(values)}")
        self.values: dict[str, Any] = values

    def error(self, name: str, expected: str) -> FormatError:
        got = short(self.values[name]) if name in self.values else "nothing"
        return FormatError(f"{self.file}: {self.where}{name}: expected {expected}, got {got}")

    def integer(self, name: str, default: int | None = None, *, least: int = 1, most: int = 2**31 - 1) -> int:
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.error(name, f"an integer from {least} to {most}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or not fits_float32(value):
            raise self.error(name, "a float32 number, 0 or from 1.2e-38 to 3.4e+38")
        return float(value)

    def fixed(self, name: str, only: object) -> None:
        """Checks that a field has the value `only`, or is absent or null."""
        value = self.values.get(name)
        if value is not None and (value != only or isinstance(value, bool) != isinstance(only, bool)):
            raise self.error(name, f"{only!r}, gesso supports nothing else")

    def integers(self, name: str) -> list[int] | None:
        """Reads one integer or a list of them. Returns None when the field is absent or null."""
        value = self.values.get(name)
        if value is None:
            return None
        values = value if isinstance(value, list) else [value]
        if len(values) > _native.MAX_END_TOKENS:
            raise self.error(name, f"at most {_native.MAX_END_TOKENS} token ids")
        if any(isinstance(v, bool) or not isinstance(v, int) or not 0 <= v < 2**31 for v in values):
            raise self.error(name, "token ids")
        return values

    def array(self, name: str) -> list[Any]:
        """Reads a list. Returns an empty one when the field is absent or null."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, list):
            raise self.error(name, "a list")
        return value or []

    def object(self, name: str) -> Fields:
        if not isinstance(self.values.get(name), dict):
            raise self.error(name, "an object")
        return Fields(self.file, self.values[name], f"{self.where}{name}.")


def require_json(file: Path) -> Fields:
    """Reads a JSON file that every checkpoint folder must have."""
    fields = read_json(file)
    if fields is None:
        raise FileNotFoundError(f"{file}: no such file; a checkpoint folder must have it{looks_like(file.parent)}")
    return fields


def read_json(file: Path, max_bytes: int = _native.MAX_JSON_BYTES) -> Fields | None:
    """Reads a JSON file. Returns None when it does not exist."""
    text = read_text(file, max_bytes)
    if text is None:
        return None
    try:
        values = json.loads(text.removeprefix("\ufeff"))  # Windows' editors put this mark in front
        if "\\u" in text:  # \uXXXX may spell half of a surrogate pair, which UTF-8 cannot hold
            json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file}: malformed JSON: {error}{kind_of_file(file)}") from None
    return Fields(file, values)


def _layer_types(text: Fields, num_layers: int) -> list[str]:
    """Returns one type per layer. By default, five sliding layers and one full layer take turns.

    The last layer is always full, as the reference makes it.
    """
    types = text.values.get("layer_types")
    if types is None:
        types = [FULL if (layer + 1) % 6 == 0 else SLIDING for layer in range(num_layers)]
    if not isinstance(types, list) or len(types) != num_layers or any(t not in (SLIDING, FULL) for t in types):
        raise text.error("layer_types", f"a list of {num_layers} times {SLIDING!r} or {FULL!r}")
    return [*types[:-1], FULL]


def _layer_overrides(text: Fields, num_layers: int) -> dict[int, Fields]:
    """Returns the fields of `per_layer_config` by layer. transformers writes "05" for layer 5 where there is a "11"."""
    layers, found = text.object("per_layer_config"), dict[int, Fields]()
    for key in layers.values:
        number = int(key) if re.fullmatch("[0-9]{1,9}", key) else num_layers
        if number >= num_layers:
            raise FormatError(f"{text.file}: {layers.where}{key}: expected a layer number below {num_layers}")
        if number in found:
            raise FormatError(f"{text.file}: {layers.where}{key}: expected each layer once, got layer {number} twice")
        found[number] = layers.object(key)
    return found


def _attention_shapes(text: Fields, types: list[str]) -> list[tuple[int, int]]:
    """Returns (head dim, key-value heads) of every layer.

    A configuration gives the shapes in one of two ways. The older one has `global_head_dim` and
    `num_global_key_value_heads` for all full layers. The newer one has `per_layer_config` with the differences of each
    layer; if it is present, the older fields are ignored.
    """
    head_dim, kv_heads = (
        text.integer("head_dim", 256, most=_native.MAX_HEAD_DIM),
        text.integer("num_key_value_heads", 4),
    )
    shapes = [(head_dim, kv_heads)] * len(types)
    if "per_layer_config" not in text.values:
        full_kv_heads = kv_heads
        if text.values.get("num_global_key_value_heads") is not None:
            full_kv_heads = text.integer("num_global_key_value_heads")
        full = (text.integer("global_head_dim", 512, most=_native.MAX_HEAD_DIM), full_kv_heads)
        return [full if layer_type == FULL else shape for layer_type, shape in zip(types, shapes, strict=True)]
    if text.values["per_layer_config"] is None:  # no layer differs
        return shapes
    for number, layer in _layer_overrides(text, len(types)).items():
        for name in layer.values.keys() - {"head_dim", "num_key_value_heads"}:
            layer.fixed(name, text.values.get(name))
        layer_dim = layer.integer("head_dim", head_dim, most=_native.MAX_HEAD_DIM)
        shapes[number] = (layer_dim, layer.integer("num_key_value_heads", kv_heads))
    for kind in (SLIDING, FULL):
        if len({shape[0] for layer_type, shape in zip(types, shapes, strict=True) if layer_type == kind}) > 1:
            raise text.error("per_layer_config", f"one head_dim for all {kind} layers")
    return shapes


def _rope(text: Fields, kind: str, head_dim: int) -> tuple[float, int]:
    """Returns (theta, number of rotated pairs) of one layer type. Only full layers have a `partial_rotary_factor`."""
    if text.values.get("rope_parameters") is None:
        return (1e4, head_dim // 2) if kind == SLIDING else (1e6, int(0.25 * head_dim // 2))
    kinds = text.object("rope_parameters")
    rope = kinds.object(kind)
    partial = rope.number("partial_rotary_factor", 1.0)
    rope_type = rope.values.get("rope_type")
    if rope_type not in (("default",) if kind == SLIDING else ("default", "proportional")):
        raise rope.error("rope_type", "'default', or 'proportional' on full layers")
    if partial > 1.0 or (partial != 1.0 and rope_type == "default"):
        raise rope.error("partial_rotary_factor", "1.0, or up to 1.0 with rope_type 'proportional'")
    check_fields(kinds, ROPE_PARAMETERS)
    check_fields(rope, ROPE)
    return rope.number("rope_theta"), int(partial * head_dim // 2)


def _check_model_type(config: Fields) -> None:
    if config.values.get("model_type") != "diffusion_gemma":
        error = config.error("model_type", "'diffusion_gemma'")
        raise FormatError(f"{error}: {kind_of_model(config.values.get('model_type'))}")


def _read_model(config: Fields, text: Fields) -> tuple[dict[str, Value], int]:
    """Returns the architecture's metadata from config.json, and the number of rotated pairs on full layers."""
    num_layers, heads = (
        text.integer("num_hidden_layers", 30, most=_native.MAX_LAYERS),
        text.integer("num_attention_heads", 8, most=_native.MAX_HEADS),
    )
    types = _layer_types(text, num_layers)
    shapes = _attention_shapes(text, types)
    for head_dim, kv_heads in shapes:
        if heads % kv_heads or head_dim % 2:
            raise text.error("num_attention_heads", f"a multiple of {kv_heads}, and an even head_dim (is {head_dim})")
    full_dim = shapes[-1][0]
    sliding_dim = shapes[types.index(SLIDING)][0] if SLIDING in types else text.integer("head_dim", 256)
    theta, rotated_pairs = _rope(text, FULL, full_dim)
    sliding_theta = _rope(text, SLIDING, sliding_dim)[0] if SLIDING in types else 1e4
    num_experts, top_k = text.integer("num_experts", most=_native.MAX_EXPERTS), text.integer("top_k_experts")
    if top_k > num_experts:
        raise text.error("top_k_experts", f"at most num_experts = {num_experts}")
    vocab_size = text.integer("vocab_size", 262144, most=_native.MAX_VOCABULARY)
    keys: dict[str, Value] = {
        "vocab_size": vocab_size,
        "block_count": num_layers,
        "context_length": text.integer("max_position_embeddings", 131072, most=_native.MAX_CONTEXT),
        "embedding_length": text.integer("hidden_size", 2304, most=_native.MAX_WIDTH),
        "feed_forward_length": text.integer("intermediate_size", 9216, most=_native.MAX_WIDTH),
        "attention.head_count": heads,
        "attention.head_count_kv": [kv_heads for _, kv_heads in shapes],
        "rope.freq_base": theta,
        "rope.freq_base_swa": sliding_theta,
        "attention.layer_norm_rms_epsilon": text.number("rms_norm_eps", 1e-6),
        "expert_count": num_experts,
        "expert_used_count": top_k,
        "attention.key_length": full_dim,
        "attention.value_length": full_dim,
        "final_logit_softcapping": text.number("final_logit_softcapping", 30.0),
        "attention.sliding_window": text.integer("sliding_window", 512),
        "attention.shared_kv_layers": 0,
        "embedding_length_per_layer_input": 0,
        "attention.sliding_window_pattern": [layer_type == SLIDING for layer_type in types],
        "attention.key_length_swa": sliding_dim,
        "attention.value_length_swa": sliding_dim,
        "expert_feed_forward_length": text.integer("moe_intermediate_size", most=_native.MAX_WIDTH),
        "rope.dimension_count": full_dim,
        "rope.dimension_count_swa": sliding_dim,
        "attention.causal": False,
    }
    metadata = {f"{ARCHITECTURE}.{key}": value for key, value in keys.items()}
    metadata["diffusion.canvas_length"] = config.integer("canvas_length", 256, most=_native.MAX_CANVAS_LENGTH)
    image = config.integers("image_token_id") if "image_token_id" in config.values else [258880]
    if image and image[0] < vocab_size:  # a small vocabulary may not have this token
        metadata["gesso.image_token_id"] = image[0]
    return metadata, rotated_pairs


def read_config_metadata(directory: Path) -> tuple[dict[str, Value], int]:
    """Returns the metadata from config.json, and the number of rotated pairs on full layers.

    A value is a str, bool, int, float or a list of them; it is a float where GGUF has f32. `gesso.image_token_id` is a
    key of gesso's own.
    """
    config = require_json(directory / "config.json")
    _check_model_type(config)
    text = config.object("text_config")
    check_fields(config, ROOT)
    check_fields(text, TEXT)
    name = checkpoint_name(directory).encode("utf-8", "replace").decode()  # a folder's name need not be UTF-8
    model, rotated_pairs = _read_model(config, text)
    metadata: dict[str, Value] = {"general.architecture": ARCHITECTURE, "general.type": "model", "general.name": name}
    metadata |= model
    for name, key, default in (("bos", "bos", 2), ("eos", "eos", 1), ("pad", "padding", 0)):
        ids = text.integers(f"{name}_token_id") or [default]
        metadata[f"tokenizer.ggml.{key}_token_id"] = ids[0]
    return metadata, rotated_pairs
