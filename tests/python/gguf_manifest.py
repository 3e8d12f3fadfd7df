"""Makes the published 26B-A4B files without their weights: sparse files with all tensors in their places.

    manifest = read_manifest()["Q4_K_M"]
    write_hollow("hollow.gguf", "Q4_K_M")

The facts about the published files are in tests/golden/gguf_manifest.tsv and in this module.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from gesso.files.checkpoint import ARCHITECTURE
from gesso.files.hf.tokenizer import TOKEN_BYTE, TOKEN_CONTROL, TOKEN_NORMAL
from python.tiny_model import CHAT_TEMPLATE

MANIFEST = Path(__file__).parents[1] / "golden/gguf_manifest.tsv"
ALIGNMENT = 32
PROBE_BYTES = 64 << 20  # so many bytes show whether the file system has sparse files, before the file is 50 GB long
# For each file: its general.file_type and the bytes of its data section, which follow from the published file's size.
FILES = {
    "Q4_K_M": (15, 16_790_985_600),
    "Q5_K_M": (17, 19_129_718_656),
    "Q6_K": (18, 22_638_665_856),
    "Q8_0": (7, 26_863_006_592),
    "BF16": (32, 50_525_009_792),
}
VOCABULARY_SIZE = 262144
LAYERS = 30
IS_SLIDING = [index % 6 != 5 for index in range(LAYERS)]
# The keys of the architecture. As in the published files, ints are u32, ints in arrays are i32 and floats are f32.
MODEL = {
    "block_count": LAYERS,
    "context_length": 262144,
    "embedding_length": 2816,
    "feed_forward_length": 2112,
    "attention.head_count": 16,
    "attention.head_count_kv": [8 if is_sliding else 2 for is_sliding in IS_SLIDING],
    "rope.freq_base": 1e6,
    "rope.freq_base_swa": 1e4,
    "attention.layer_norm_rms_epsilon": 1e-6,
    "expert_count": 128,
    "expert_used_count": 8,
    "attention.key_length": 512,
    "attention.value_length": 512,
    "final_logit_softcapping": 30.0,
    "attention.sliding_window": 1024,
    "attention.shared_kv_layers": 0,
    "embedding_length_per_layer_input": 0,
    "attention.sliding_window_pattern": IS_SLIDING,
    "attention.key_length_swa": 256,
    "attention.value_length_swa": 256,
    "expert_feed_forward_length": 704,
    "rope.dimension_count": 512,
    "rope.dimension_count_swa": 256,
    "attention.causal": False,
}
# Some of the published tokenizer's special tokens.
CONTROLS = {0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>", 50: "<|tool_response>", 105: "<|turn>"}
CONTROLS |= {106: "<turn|>", 258880: "<|image|>"}


@dataclass(frozen=True)
class Entry:
    name: str
    shape: tuple[int, ...]  # outermost first
    type: str
    offset: int  # from the beginning of the data section


def read_manifest() -> dict[str, list[Entry]]:
    """Maps each of FILES to its 692 tensors, in the order of the file."""
    lines = [line for line in MANIFEST.read_text(encoding="ascii").splitlines() if not line.startswith("#")]
    columns = lines[0].split("\t")
    manifest: dict[str, list[Entry]] = {file: [] for file in FILES}
    for line in lines[1:]:
        row = dict(zip(columns, line.split("\t"), strict=True))
        shape = tuple(int(extent) for extent in reversed(row["extents"].split("x")))
        for file, entries in manifest.items():
            entries.append(Entry(row["name"], shape, row[f"{file} type"], int(row[f"{file} offset"])))
    return manifest


def num_bytes(entry: Entry) -> int:
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[entry.type]]
    return int(np.prod(entry.shape)) // elements * size


def _tokenizer() -> dict[str, Any]:
    """Returns a tokenizer with as many tokens as the published one. Bytes and a few special tokens are real."""
    tokens = [f"<token {index}>" for index in range(VOCABULARY_SIZE)]
    types = [TOKEN_NORMAL] * VOCABULARY_SIZE
    for byte in range(256):
        tokens[238 + byte], types[238 + byte] = f"<0x{byte:02X}>", TOKEN_BYTE
    for index, token in CONTROLS.items():
        tokens[index], types[index] = token, TOKEN_CONTROL
    tokens[1000:1004] = ["t", "h", "e", "th"]
    return {
        "model": "gemma4",
        "tokens": tokens,
        "scores": [-1000.0] * VOCABULARY_SIZE,
        "token_type": types,
        "merges": ["t h"],
        "bos_token_id": 2,
        "eos_token_id": 1,
        "unknown_token_id": 3,
        "padding_token_id": 0,
        "mask_token_id": 4,
        "add_space_prefix": False,
        "add_bos_token": True,
    }


def metadata(file: str) -> dict[str, Any]:
    """Returns the 44 keys of the published files without general.architecture.

    They have the order of the published files, except the chat template.
    """
    keys: dict[str, Any] = {"general.type": "model", "general.name": "Hollow", "general.size_label": "128x2.6B"}
    keys |= {f"{ARCHITECTURE}.{key}": value for key, value in MODEL.items()}
    keys["diffusion.canvas_length"] = 256
    keys |= {f"tokenizer.ggml.{key}": value for key, value in _tokenizer().items()}
    keys["tokenizer.chat_template"] = CHAT_TEMPLATE
    return keys | {"general.quantization_version": 2, "general.file_type": FILES[file][0]}


def write_hollow(path: Path, file: str) -> int:
    """Writes a header with the package gguf, which places the tensors, and then makes the file as long as it should be.

    No data are written. Returns where the data section begins.
    """
    writer = gguf.GGUFWriter(path, ARCHITECTURE)
    add = {bool: "add_bool", int: "add_uint32", float: "add_float32", str: "add_string", list: "add_array"}
    for key, value in metadata(file).items():
        getattr(writer, add[type(value)])(key, value)
    for entry in read_manifest()[file]:
        kind = gguf.GGMLQuantizationType[entry.type]
        writer.add_tensor_info(entry.name, entry.shape, np.dtype(np.float32), num_bytes(entry), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    data_start = -(-path.stat().st_size // ALIGNMENT) * ALIGNMENT
    os.truncate(path, data_start + PROBE_BYTES)
    assert path.stat().st_blocks * 512 < data_start + PROBE_BYTES // 2, f"no sparse files in {path.parent}"
    os.truncate(path, data_start + FILES[file][1])
    return data_start
