"""Random small DiffusionGemma models. A seed gives the same model everywhere, in the reference and in gesso.

recipe = random_recipe(7)
model = build(recipe)                               the reference's model, float32
write_folder(model, folder)                         the reference writes its files
ours = gesso_model(folder, through="gguf")          gesso's model, from these files
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from transformers import (
    DiffusionGemmaConfig,
    DiffusionGemmaForBlockDiffusion,
    DiffusionGemmaTextConfig,
    Gemma4VisionConfig,
)

import gesso
from gesso.files import gguf_writer
from gesso.files.hf import folder as hf

SLIDING, FULL = "sliding_attention", "full_attention"


@dataclass(frozen=True)
class Recipe:
    """All that determines a model."""

    seed: int  # seed of the weights
    text: dict  # fields of the text config of the reference
    canvas_length: int
    spread: float  # the logits' standard deviation before the soft cap
    damping: float = 0.4  # factor on what the blocks add to the residual stream
    feedback: float = 1.0  # factor on what self-conditioning adds to the embeddings
    has_image_token: bool = True  # whether the last id of the vocabulary is an image token

    @property
    def vocab_size(self) -> int:
        return self.text["vocab_size"]

    @property
    def image_token_id(self) -> int:
        """The one id that a prompt must not hold."""
        return self.vocab_size - 1 if self.has_image_token else self.vocab_size


def _random_layers(rng: np.random.Generator) -> list[str]:
    """Random kinds of layers. The last layer is full, because the reference requires it."""
    num_layers = int(rng.choice([1, 2, 3, 4, 5, 7], p=[0.15, 0.2, 0.25, 0.2, 0.15, 0.05]))
    style = rng.choice(["mixed", "full", "sliding", "groups"])
    if style == "full":
        return [FULL] * num_layers
    if style == "sliding":
        return [SLIDING] * (num_layers - 1) + [FULL]
    if style == "groups":
        return [FULL if (num_layers - 1 - i) % 3 == 0 else SLIDING for i in range(num_layers)]
    return [str(rng.choice([SLIDING, FULL])) for _ in range(num_layers - 1)] + [FULL]


def _random_heads(rng: np.random.Generator) -> dict:
    heads = int(rng.choice([1, 2, 3, 4, 6, 8]))
    divisors = [d for d in range(1, heads + 1) if heads % d == 0]
    return {
        "num_attention_heads": heads,
        "num_key_value_heads": int(rng.choice(divisors)),
        "num_global_key_value_heads": int(rng.choice(divisors)),
        "head_dim": int(rng.choice([4, 6, 8, 10, 16, 20, 32])),
        "global_head_dim": int(rng.choice([4, 8, 12, 16, 18, 24, 32, 64])),
    }


def _random_rope(rng: np.random.Generator) -> dict:
    full = {"rope_type": "proportional", "rope_theta": float(rng.choice([1e4, 1e5, 1e6]))}
    full["partial_rotary_factor"] = float(rng.choice([0.1, 0.25, 0.25, 0.5, 0.75, 1.0]))
    if full["partial_rotary_factor"] == 1.0 and rng.random() < 0.5:
        full = {"rope_type": "default", "rope_theta": full["rope_theta"]}
    return {SLIDING: {"rope_type": "default", "rope_theta": float(rng.choice([100.0, 1e3, 1e4]))}, FULL: full}


def random_recipe(seed: int) -> Recipe:
    rng = np.random.default_rng([20260, seed])
    experts = int(rng.choice([1, 2, 3, 4, 6, 8, 13, 16]))
    active = int(rng.choice([1, 1, min(2, experts), min(2, experts), max(1, experts // 2), experts]))
    text = {
        "vocab_size": int(rng.integers(29, 330)),
        "hidden_size": int(rng.choice([19, 24, 31, 32, 45, 48, 64, 75, 96])),
        "intermediate_size": int(rng.choice([7, 16, 24, 33, 64, 80])),
        "moe_intermediate_size": int(rng.choice([5, 8, 12, 19, 32, 48])),
        "num_experts": experts,
        "top_k_experts": active,
        "sliding_window": int(rng.choice([2, 3, 4, 5, 8, 13, 16, 33, 64, 200])),
        "layer_types": _random_layers(rng),
        "rope_parameters": _random_rope(rng),
        "max_position_embeddings": 2048,
        "rms_norm_eps": float(rng.choice([1e-6, 1e-6, 1e-5, 1e-3, 1e-2])),
        "final_logit_softcapping": float(rng.choice([10.0, 15.5, 30.0, 30.0, 50.0])),
        **_random_heads(rng),
    }
    text["num_hidden_layers"] = len(text["layer_types"])
    canvas_length = int(rng.choice([1, 2, 3, 5, 7, 8, 9, 12, 16, 17, 31, 33]))
    return Recipe(seed, text, canvas_length, spread=float(rng.uniform(1.0, 3.0)))


def settling_recipe(seed: int) -> Recipe:
    """A model whose canvases settle after a few steps, some earlier and some later.

    The model is confident and has weak feedback. Self-conditioning feeds the rounding errors of one step into the next,
    and random weights multiply them from step to step, in the reference as in gesso. Weak feedback keeps them small.
    """
    recipe = random_recipe(seed)
    text = recipe.text | {"final_logit_softcapping": 30.0}
    canvas_length = max(4, recipe.canvas_length)
    return replace(recipe, text=text, canvas_length=canvas_length, spread=4.0, feedback=0.2)


def implementations(recipe: Recipe, eager: bool) -> dict[str, str]:
    """The reference's plain code where `eager`. Otherwise what it uses by default, unless grouped_mm cannot run: it
    needs rows of whole 16 bytes."""
    if eager:
        return {"attn_implementation": "eager", "experts_implementation": "eager"}
    aligned = recipe.text["hidden_size"] % 4 == 0 and recipe.text["moe_intermediate_size"] % 4 == 0
    return {} if aligned else {"experts_implementation": "eager"}


def build(recipe: Recipe, eager: bool = True) -> DiffusionGemmaForBlockDiffusion:
    """The reference's model in float32."""
    config = DiffusionGemmaConfig(
        text_config=DiffusionGemmaTextConfig(**recipe.text),
        vision_config=Gemma4VisionConfig(
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            num_key_value_heads=1,
            head_dim=8,
            position_embedding_size=4,
        ),
        canvas_length=recipe.canvas_length,
        image_token_id=recipe.image_token_id,
        boi_token_id=recipe.vocab_size - 2,
        eoi_token_id=recipe.vocab_size - 3,
    )
    model = DiffusionGemmaForBlockDiffusion._from_config(config, **implementations(recipe, eager)).eval()
    _fill(model, recipe)
    return model


@torch.no_grad()
def _fill(model: DiffusionGemmaForBlockDiffusion, recipe: Recipe) -> None:
    rng = np.random.default_rng([731, recipe.seed])
    decoder = dict(model.model.decoder.named_parameters())
    for name in sorted(decoder):
        values = _random_values(rng, name, tuple(decoder[name].shape), recipe)
        decoder[name].copy_(torch.from_numpy(values.astype(np.float32)))
    for stack in (model.model.encoder.language_model, model.model.decoder):
        for layer in stack.layers:
            layer.layer_scalar.fill_(float(rng.uniform(0.7, 1.3)))
    encoder = dict(model.model.encoder.language_model.named_parameters())
    tied = all(encoder[name].data_ptr() == decoder[name].data_ptr() for name in encoder)
    assert tied and model.lm_head.weight.data_ptr() == decoder["embed_tokens.weight"].data_ptr()


def _random_values(rng: np.random.Generator, name: str, shape: tuple[int, ...], recipe: Recipe) -> np.ndarray:
    """Random weights that keep values near size 1 through all projections. So every part of the model shows in the
    logits."""
    noise = rng.standard_normal(shape)
    if name.endswith(("q_norm.weight", "k_norm.weight")):
        # The reference scales attention scores by 1. So these weights alone keep q.k, a sum over the head's dims, near
        # 2.
        return (1.0 + 0.3 * noise) * np.sqrt(2.0) * shape[0] ** -0.25
    if "norm" in name:
        return (1.0 + 0.3 * noise) * (recipe.damping if "post_" in name else 1.0)
    if name.endswith("router.scale"):
        return 1.0 + 0.3 * noise
    if name.endswith("per_expert_scale"):
        return rng.uniform(0.5, 1.5, shape)
    if name.endswith("router.proj.weight"):
        return 2.0 * noise
    if name == "embed_tokens.weight":
        return noise * recipe.spread / np.sqrt(shape[-1])
    if name == "self_conditioning.down_proj.weight":
        return noise * recipe.damping * recipe.feedback * recipe.spread / np.sqrt(shape[-1])
    return noise * (1.5 if "gate" in name or "up" in name else 1.0) / np.sqrt(shape[-1])


def write_folder(model: DiffusionGemmaForBlockDiffusion, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes a Hugging Face checkpoint. If `dtype` is not float32, `model` itself is left in that type."""
    model.to(dtype).save_pretrained(folder)


def read_folder(folder: Path, recipe: Recipe, eager: bool = True) -> DiffusionGemmaForBlockDiffusion:
    """The reference's model in float32, from a checkpoint of any type."""
    kwargs = implementations(recipe, eager)
    return DiffusionGemmaForBlockDiffusion.from_pretrained(folder, dtype=torch.float32, **kwargs).eval()


def write_gguf(folder: Path, path: Path, types=None) -> None:
    checkpoint = hf.read_checkpoint(folder)
    gguf_writer.write_gguf(path, checkpoint.metadata, checkpoint.tensors(), types)


def gesso_model(folder: Path, through: str, num_threads: int = 1, activations: str = "f32") -> gesso.Model:
    """gesso's model from the reference's files: directly ("folder"), or through a GGUF file made from them ("gguf")."""
    path = folder if through == "folder" else folder / "model.gguf"
    if not path.exists():
        write_gguf(folder, path)
    return gesso.load(path, "cpu", num_threads, activations=activations)
