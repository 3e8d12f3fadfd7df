"""The twin of a random model: the same weights in a file that llama.cpp's Gemma 4 architecture loads, to compare with.

DiffusionGemma's layers are Gemma 4's; what Gemma 4 has no use for is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gesso.files.checkpoint import ARCHITECTURE
from gesso.files.tensor import Tensor

GEMMA4 = "gemma4"
ONLY_HERE = ("diffusion.", "gesso.")  # keys


def gemma4_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Gemma 4's keys are DiffusionGemma's under its own name, but for the canvas and `attention.causal` (it is)."""
    kept = {key: value for key, value in metadata.items() if not key.startswith(ONLY_HERE)}
    twin = {key.replace(f"{ARCHITECTURE}.", f"{GEMMA4}.", 1): value for key, value in kept.items()}
    twin["general.architecture"] = GEMMA4
    del twin[f"{GEMMA4}.attention.causal"]
    return twin


def gemma4_tensors(metadata: Mapping[str, Any], tensors: Sequence[Tensor]) -> list[Tensor]:
    """All but self-conditioning and the second layer scalar; llama.cpp refuses files with tensors that it does not use.

    ValueError for NVFP4, whose fused experts have a scale that llama.cpp does not read.
    """
    if any(tensor.dtype == "NVFP4" for tensor in tensors):
        raise ValueError("a Gemma 4 file cannot hold NVFP4 experts: llama.cpp reads no scale of fused ones")
    unused = ["self_cond_", "enc_layer_output_scale"]
    if all(metadata[f"{ARCHITECTURE}.attention.sliding_window_pattern"]):
        unused.append("rope_freqs")  # of full layers
    return [tensor for tensor in tensors if not any(part in tensor.name for part in unused)]
