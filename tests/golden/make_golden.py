"""Writes the golden files beside this script: small models, and the reference's answers on them. It needs torch.

    python tests/golden/make_golden.py [NAME ...]

For each model it writes NAME.gguf, NAME.npz (the logits of one canvas, see `logits`) and NAME.json (questions and
generations). tests/model/test_golden.py asks gesso the same questions, without torch. tests/parity/test_golden_fresh.py
asks the reference again.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gguf
import numpy as np
import torch
from transformers import DiffusionGemmaForBlockDiffusion

from gesso.files.gguf_writer import matrices_as
from gesso.files.hf.names import decoders_name, gguf_name, is_dropped

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

from parity import hf_reference, random_models  # noqa: E402
from parity.random_models import FULL, SLIDING, Recipe  # noqa: E402

TEMPERATURE = 0.6  # of the step before the self-conditioned step
# Every decision of the reference must be at least this far from going the other way, so that the files hold on every
# machine.
UNDECIDED = 3e-4


@dataclass(frozen=True)
class Golden:
    """The shape of a model. `dtype` is the type that its matrices are stored in."""

    layers: str  # one letter per layer: "s" sliding, "f" full
    window: int
    canvas_length: int
    prompt_length: int
    dtype: str = "F32"
    hidden_size: int = 24
    ffn: int = 32
    expert_ffn: int = 12
    experts: int = 4
    active: int = 2
    heads: tuple[int, int, int] = (4, 2, 1)  # query heads, key-value heads of sliding and of full layers
    head_dims: tuple[int, int] = (8, 16)
    vocab_size: int = 61
    softcap: float = 30.0
    eps: float = 1e-6
    partial_rotary_factor: float = 0.25

    def recipe(self, seed: int) -> Recipe:
        full = {"rope_type": "proportional", "partial_rotary_factor": self.partial_rotary_factor, "rope_theta": 1e6}
        text = {
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.ffn,
            "moe_intermediate_size": self.expert_ffn,
            "num_experts": self.experts,
            "top_k_experts": self.active,
            "sliding_window": self.window,
            "layer_types": [SLIDING if layer == "s" else FULL for layer in self.layers],
            "num_hidden_layers": len(self.layers),
            "rope_parameters": {SLIDING: {"rope_type": "default", "rope_theta": 1e4}, FULL: full},
            "max_position_embeddings": 1024,
            "rms_norm_eps": self.eps,
            "final_logit_softcapping": self.softcap,
            "num_attention_heads": self.heads[0],
            "num_key_value_heads": self.heads[1],
            "num_global_key_value_heads": self.heads[2],
            "head_dim": self.head_dims[0],
            "global_head_dim": self.head_dims[1],
        }
        return Recipe(seed, text, self.canvas_length, spread=4.0, feedback=0.2, has_image_token=False)


WIDE = {"hidden_size": 32, "expert_ffn": 32, "head_dims": (16, 32)}  # rows of whole blocks
GOLDENS = {
    "mixed": Golden("ssf", window=5, canvas_length=9, prompt_length=23),
    "single_layer": Golden("f", window=4, canvas_length=7, prompt_length=6, heads=(3, 1, 3), partial_rotary_factor=1.0),
    "top_1": Golden("sfsf", window=64, canvas_length=8, prompt_length=300, active=1, hidden_size=19, eps=1e-3),
    "bf16": Golden("sf", window=3, canvas_length=12, prompt_length=17, dtype="BF16", experts=7, active=3, softcap=20.0),
    "q8_0": Golden("ssf", window=8, canvas_length=10, prompt_length=31, dtype="Q8_0", vocab_size=130, **WIDE),
    "q4_0": Golden("sf", window=6, canvas_length=16, prompt_length=12, dtype="Q4_0", experts=3, active=3, **WIDE),
}


def seed_of(name: str) -> int:
    return 1000 + list(GOLDENS).index(name)


def write_model(name: str) -> None:
    golden = GOLDENS[name]
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / name  # the folder's name becomes the model's
        random_models.write_folder(random_models.build(golden.recipe(seed_of(name))), folder)
        random_models.write_gguf(folder, FOLDER / f"{name}.gguf", matrices_as(golden.dtype))


@torch.no_grad()
def read_model(name: str) -> DiffusionGemmaForBlockDiffusion:
    """The reference's model with the weights of the GGUF file, decoded by the package gguf."""
    model = random_models.build(GOLDENS[name].recipe(seed_of(name)))
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(FOLDER / f"{name}.gguf").tensors}
    for hf_name, parameter in model.state_dict().items():
        if not is_dropped(hf_name) and decoders_name(hf_name) is None and gguf_name(hf_name) in tensors:
            tensor = tensors.pop(gguf_name(hf_name))
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            parameter.copy_(torch.from_numpy(values.reshape(parameter.shape)))
    assert list(tensors) == ["rope_freqs.weight"]
    return model


def logits(model: DiffusionGemmaForBlockDiffusion, questions: dict[str, Any]) -> dict[str, np.ndarray]:
    """float32 [C, V] each: the logits of a canvas' first step, and of a step conditioned on those logits /
    TEMPERATURE."""
    cache = hf_reference.encode(model, questions["prompt"])
    first = hf_reference.denoise(model, cache, questions["canvas"])
    conditioned = hf_reference.denoise(model, cache, questions["canvas"], first / np.float32(TEMPERATURE))
    return {"first": first, "conditioned": conditioned}


def generation(model: DiffusionGemmaForBlockDiffusion, case: dict[str, Any]) -> dict[str, Any]:
    """The reference's generation for a case. "undecided" is true where rounding errors could change a decision."""
    canvas = None if case["canvas"] is None else np.array(case["canvas"])
    out = hf_reference.generate(model, case["prompts"], seeds=case["seeds"], canvas=canvas, **case["options"])
    return {
        "sequences": out.sequences,
        "canvases": [canvases.tolist() for canvases in out.canvases],
        "denoising_steps": out.denoising_steps,
        "tokens_per_forward": out.tokens_per_forward,
        "undecided": out.margin < UNDECIDED,
    }


def random_case(rng: np.random.Generator, recipe: Recipe, warm: bool) -> dict[str, Any]:
    """Two prompts of one length and options for two canvases. The first canvas starts from noise, or from ids if
    `warm`."""
    length = int(rng.integers(1, 30))
    canvas = rng.integers(0, recipe.vocab_size, (2, recipe.canvas_length)).tolist() if warm else None
    return {
        "prompts": rng.integers(0, recipe.vocab_size, (2, length)).tolist(),
        "canvas": canvas,
        "seeds": rng.integers(0, 2**63, 2).tolist(),
        "options": {
            "max_new_tokens": 2 * recipe.canvas_length,
            "max_denoising_steps": int(rng.choice([6, 12, 20])),
            "entropy_bound": float(rng.choice([0.1, 0.5, 2.0])),
            "t_min": 0.3,
            "t_max": float(rng.choice([0.5, 0.9])),
            "stability_threshold": int(rng.choice([1, 1, 2])),
            "confidence_threshold": float(rng.choice([0.05, 0.3])),
            "end_token_ids": rng.choice(recipe.vocab_size, 3, replace=False).tolist(),
        },
    }


def make(name: str) -> None:
    write_model(name)
    model, recipe = read_model(name), GOLDENS[name].recipe(seed_of(name))
    rng = np.random.default_rng(seed_of(name))
    questions = {
        "prompt": rng.integers(0, recipe.vocab_size, GOLDENS[name].prompt_length).tolist(),
        "canvas": rng.integers(0, recipe.vocab_size, recipe.canvas_length).tolist(),
        "temperature": TEMPERATURE,
        "generations": [],
    }
    while len(questions["generations"]) < 4:
        case = random_case(rng, recipe, warm=len(questions["generations"]) == 3)
        case["expected"] = generation(model, case)
        if not case["expected"].pop("undecided"):
            questions["generations"].append(case)
    np.savez_compressed(FOLDER / f"{name}.npz", **logits(model, questions))
    (FOLDER / f"{name}.json").write_text(json.dumps(questions) + "\n")
    sizes = [(FOLDER / f"{name}.{kind}").stat().st_size for kind in ("gguf", "npz", "json")]
    steps = [case["expected"]["denoising_steps"] for case in questions["generations"]]
    print(f"{name}: {sizes} bytes, steps {steps}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for chosen in sys.argv[1:] or GOLDENS:
        make(chosen)
