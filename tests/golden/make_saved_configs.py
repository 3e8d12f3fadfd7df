"""Writes saved_configs/ beside this script: one model's configuration, as versions of transformers save it.

    PYTHONPATH=<folder with transformers 5.14.0> python tests/golden/make_saved_configs.py

It writes the files of the version that it finds, each time into folders named after it. It needs torch. All folders
describe the same model, and tests/python/files/test_hf_saved_configs.py reads them without torch or transformers.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import transformers
from transformers import DiffusionGemmaConfig
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    DiffusionGemmaGenerationConfig,
    EntropyBoundSamplerConfig,
)

FOLDER = Path(__file__).parent / "saved_configs"
SLIDING, FULL = "sliding_attention", "full_attention"
# No value is a default. There are more than ten layers: newer versions write "05" for layer 5 then.
TEXT = {
    "vocab_size": 300,
    "hidden_size": 48,
    "intermediate_size": 24,
    "moe_intermediate_size": 20,
    "num_experts": 6,
    "top_k_experts": 3,
    "num_hidden_layers": 12,
    "layer_types": [SLIDING, SLIDING, FULL, SLIDING, SLIDING, FULL, SLIDING, SLIDING, SLIDING, SLIDING, SLIDING, FULL],
    "sliding_window": 7,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "num_global_key_value_heads": 2,
    "head_dim": 12,
    "global_head_dim": 20,
    "max_position_embeddings": 999,
    "rms_norm_eps": 1e-5,
    "final_logit_softcapping": 20.0,
    "rope_parameters": {
        SLIDING: {"rope_type": "default", "rope_theta": 5000.0},
        FULL: {"rope_type": "proportional", "rope_theta": 2e5, "partial_rotary_factor": 0.5},
    },
    "use_bidirectional_attention": "vision",
    "eos_token_id": [5, 6],
    "bos_token_id": 3,
    "pad_token_id": 4,
}
VISION = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "head_dim": 8}


def make_config() -> DiffusionGemmaConfig:
    return DiffusionGemmaConfig(
        text_config=dict(TEXT),
        vision_config={**VISION, "num_key_value_heads": 1, "position_embedding_size": 4},
        canvas_length=9,
        image_token_id=299,
        boi_token_id=298,
        eoi_token_id=297,
        dtype="bfloat16",
    )


def empty_folder(kind: str) -> Path:
    folder = FOLDER / f"{transformers.__version__}{kind}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def save(kind: str, config: DiffusionGemmaConfig, only_differences: bool = True) -> None:
    """only_differences: leaves out what equals the defaults of all configurations, as save_pretrained does."""
    folder = empty_folder(kind)
    config.to_json_file(folder / "config.json", use_diff=only_differences)
    generation = DiffusionGemmaGenerationConfig(
        max_denoising_steps=12,
        sampler_config=EntropyBoundSamplerConfig(entropy_bound=0.25),
        t_min=0.5,
        t_max=0.75,
        stability_threshold=2,
        confidence_threshold=0.125,
        eos_token_id=[5, 6],
        pad_token_id=4,
    )
    generation.save_pretrained(folder)


if __name__ == "__main__":
    save("", make_config())
    save("-whole", make_config(), only_differences=False)
    explicit = make_config()
    if getattr(explicit.text_config, "is_heterogeneous", False):  # this version writes `per_layer_config`
        explicit.text_config.serialize_explicit_per_layer_config = True  # names every layer
        save("-explicit", explicit)
