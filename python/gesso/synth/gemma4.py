"""Writes a random model's weights for llama.cpp too, so that the speed of both programs can be compared.

DiffusionGemma's layers are those of Gemma 4, which llama.cpp runs. Tensors and keys that Gemma 4 lacks are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gesso._native import ArgumentError
from gesso.files.checkpoint import ARCHITECTURE, Value, integers
from gesso.files.tensor import Tensor

GEMMA4 = "gemma4"
ONLY_HERE = ("diffusion.", "gesso.")  # keys that begin so are left out


def gemma4_metadata(metadata: Mapping[str, Value]) -> dict[str, Value]:
    """Returns the metadata under Gemma 4's name. Gemma 4 is causal, so it has no `attention.causal` and no canvas."""
    kept = {key: value for key, value in metadata.items() if not key.startswith(ONLY_HERE)}
    twin = {key.replace(f"{ARCHITECTURE}.", f"{GEMMA4}.", 1): value for key, value in kept.items()}
    twin["general.architecture"] = GEMMA4
    del twin[f"{GEMMA4}.attention.causal"]
    return twin


def gemma4_tensors(metadata: Mapping[str, Value], tensors: Sequence[Tensor]) -> list[Tensor]:
    """Returns the tensors without those that llama.cpp does not use, because it refuses files that have them.

    These are the tensors of self-conditioning and the layer scalars for encoding. Raises ArgumentError for NVFP4,
    because llama.cpp does not read the scale of its fused experts.
    """
    if any(tensor.dtype == "NVFP4" for tensor in tensors):
        raise ArgumentError(
            "a Gemma 4 file cannot hold NVFP4: llama.cpp does not read the scale of fused NVFP4 experts"
        )
    unused = ["self_cond_", "enc_layer_output_scale"]
    if all(integers(metadata, "attention.sliding_window_pattern")):
        unused.append("rope_freqs")  # only full layers use it, and there are none
    return [tensor for tensor in tensors if not any(part in tensor.name for part in unused)]
