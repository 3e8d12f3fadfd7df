"""Shows that `gesso synth --as gemma4` writes the same model: it compares llama.cpp's logits for it with gesso's.

    python bench/peers/check_twin.py

A canvas of one token sees the same tokens as a causal row. So both programs can answer the same question: a prompt, and
then one position. gesso encodes a prompt with layer scalars that llama.cpp does not have. So the file for gesso holds
only the layer scalars of denoising.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from llama_cpp_worker import LlamaCpp

import gesso
from gesso.files.gguf_writer import write_gguf
from gesso.synth.gemma4 import gemma4_metadata, gemma4_tensors
from gesso.synth.model import CONFIGS, make_model

LAYERS, TOKENS = 6, 100
SIZES = {"vocab_size": 2048, "hidden_size": 512, "intermediate_size": 256, "moe_intermediate_size": 128}


def small_config(folder: Path) -> None:
    """Writes the configuration of a model with the same kinds of layers as the 26B model, but smaller, and canvases of
    one token."""
    config = json.loads((CONFIGS / "26b-a4b/config.json").read_text())
    config |= {"canvas_length": 1, "image_token_id": 2047}
    config["text_config"] |= SIZES | {"num_experts": 16, "top_k_experts": 4, "num_hidden_layers": LAYERS}
    (folder / "config.json").write_text(json.dumps(config))


def logits_of_gesso(path: Path, ids: list[int], activations: str) -> np.ndarray:
    session = gesso.load(str(path), "cpu", 2, activations=activations).session()
    session.encode(ids[:-1])
    return session.denoise(ids[-1:])[0, 0]


def logits_of_llama_cpp(path: Path, ids: list[int]) -> np.ndarray:
    peer = LlamaCpp(str(path), 2)
    peer.fill(ids)
    peer.decode()
    return peer.logits()[-1]


def compare(quant: str, folder: Path) -> None:
    metadata, tensors = make_model(folder, quant, LAYERS, seed=0)
    ours, twin = folder / "ours.gguf", folder / "twin.gguf"
    write_gguf(ours, metadata, [tensor for tensor in tensors if "enc_layer_output_scale" not in tensor.name])
    write_gguf(twin, gemma4_metadata(metadata), gemma4_tensors(metadata, tensors))
    ids = [2, *np.random.default_rng(0).integers(300, 2000, TOKENS - 1).tolist()]
    exact, rounded = (logits_of_gesso(ours, ids, activations) for activations in ("f32", "int8"))
    theirs = logits_of_llama_cpp(twin, ids)
    spread = exact.std()
    for name, other in (("llama.cpp", theirs), ("gesso int8", rounded)):
        difference = np.sqrt(np.mean((other - exact) ** 2)) / spread
        print(f"{quant}: {name} differs from gesso f32 by {difference:.5f} (RMS, of the logits' spread)")


def main() -> int:
    for quant in ("F32", "Q8_0", "Q4_K_M"):
        with tempfile.TemporaryDirectory() as folder:
            small_config(Path(folder))
            compare(quant, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
