"""Writes the seeds of the fuzz targets: small valid inputs, in seeds/ beside this script. They are committed.

    python tests/fuzz/make_seeds.py

An input that the targets must keep reading goes in here; what failed once becomes a test instead.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import gguf
import numpy as np

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from gesso.files.gguf_writer import matrices_as, write_gguf  # noqa: E402
from gesso.files.tensor import Tensor  # noqa: E402
from python.tiny_model import tiny_model  # noqa: E402

NORMAL, CONTROL, USER_DEFINED, BYTE = 1, 3, 4, 6
SMALL = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "moe_intermediate_size": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 4,
    "global_head_dim": 8,
    "num_experts": 2,
    "top_k_experts": 1,
    "sliding_window": 4,
    "max_position_embeddings": 64,
    "canvas_length": 4,
    "max_denoising_steps": 2,
    "layer_types": ("sliding_attention", "full_attention"),
    "vocab_size": 12,
}
TOKENS = [
    ("<unk>", CONTROL), ("<bos>", CONTROL), ("<|turn>", USER_DEFINED), ("<0x41>", BYTE), ("<0xE2>", BYTE),
    ("<0x96>", BYTE), ("▁", NORMAL), ("a", NORMAL), ("b", NORMAL), ("ab", NORMAL), ("▁a", NORMAL), ("\n", NORMAL),
]  # fmt: skip
MERGES = ["a b", "▁ a", "b b"]


def write_models(folder: Path) -> None:
    """Models for the target `generate`: floats, blocks of integers, and one with a tokenizer."""
    tiny_model(folder / "f32.gguf", tokenizer=False, **SMALL)
    blocks = SMALL | {"hidden_size": 32, "intermediate_size": 32, "moe_intermediate_size": 32, "head_dim": 16}
    tiny_model(
        folder / "q4_0.gguf",
        tokenizer=False,
        types=matrices_as("Q4_0"),
        **blocks | {"global_head_dim": 16, "layer_types": ("sliding_attention",)},
    )
    keys = {
        "tokenizer.ggml.model": "gemma4",
        "tokenizer.ggml.tokens": [text for text, _ in TOKENS],
        "tokenizer.ggml.token_type": [kind for _, kind in TOKENS],
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.unknown_token_id": 0,
    }
    one_layer = SMALL | {"layer_types": ("full_attention",)}
    tiny_model(folder / "tokenizer.gguf", tokenizer=False, metadata=keys, **one_layer)


def write_files(folder: Path) -> None:
    """Files for the target `gguf`: values of every type, nested arrays, and tensors of several types."""
    path = folder / "values.gguf"
    writer = gguf.GGUFWriter(path, "test")
    kinds = gguf.GGUFValueType
    for kind in kinds:
        if kind in (kinds.STRING, kinds.ARRAY):
            continue
        value = 0.5 if kind in (kinds.FLOAT32, kinds.FLOAT64) else True if kind == kinds.BOOL else 7
        writer.add_key_value(f"one.{kind.name}", value, kind)
        writer.add_key_value(f"some.{kind.name}", [value, value], kinds.ARRAY, sub_type=kind)
    writer.add_array("strings", ["", "a", "né"])
    writer.add_array("nested", [[1, 2], [3]])
    writer.add_tensor("f32", np.arange(6, dtype=np.float32).reshape(2, 3))
    writer.add_tensor("q8_0", np.zeros((2, 34), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (folder / "empty.gguf").write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 0, 0))


def write_vocabularies(folder: Path) -> None:
    """Inputs of the target `tokenizer`, in the form that fuzz_tokenizer.cpp describes. The first byte holds flags."""
    tokens = "\x1f".join(f"{kind}{text}" for text, kind in TOKENS if text != "\n")
    merges = "\x1f".join(MERGES)
    for name, flags, text in (
        ("special", 0b00101111, "ab<|turn> a A\u2581\u2500"),
        ("unknown", 0b00000010, "xyz é 🦙 abab"),
        ("not_utf8", 0b00100111, "ab\udce2\udc96 a"),
    ):
        body = f"{tokens}\n{merges}\n{text}".encode(errors="surrogateescape")
        (folder / name).write_bytes(bytes([flags]) + body)


def write_importance(folder: Path) -> None:
    """Importance matrices for fuzz_imatrix.py: a plain matrix, and a stack of three experts."""
    rng = np.random.default_rng(1)
    tensors = []
    for name, experts in (("blk.0.attn_q.weight", 1), ("blk.0.ffn_gate_up_exps.weight", 3)):
        sums, counts = rng.random((experts, 4), np.float32), np.full((experts, 1), 5, np.float32)
        tensors += [importance_tensor(f"{name}.in_sum2", sums), importance_tensor(f"{name}.counts", counts)]
    keys = {"general.architecture": "imatrix", "general.type": "imatrix", "imatrix.datasets": ["a.txt"]}
    write_gguf(folder / "two.gguf", keys, tensors)


def importance_tensor(name: str, values: np.ndarray) -> Tensor:
    return Tensor(name, "F32", values.shape, values)


def main() -> None:
    makers = {"generate": write_models, "gguf": write_files, "tokenizer": write_vocabularies}
    for name, make in (makers | {"imatrix": write_importance}).items():
        folder = FOLDER / "seeds" / name
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)
        for path in sorted(folder.iterdir()):
            print(f"{path.relative_to(FOLDER)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
