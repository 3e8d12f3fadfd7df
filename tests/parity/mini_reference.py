"""The reference with the weights of the small model "mini"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from mini import export
from mini.evaluation import Answer, Example, prompt_ids
from mini.sizes import Sizes
from transformers import (
    DiffusionGemmaConfig,
    DiffusionGemmaForBlockDiffusion,
    DiffusionGemmaTextConfig,
    Gemma4VisionConfig,
)

import gesso
from gesso.reply import decode_reply
from parity import hf_reference

BATCH = 16
OPTIONS = ("max_denoising_steps", "entropy_bound", "t_min", "t_max", "stability_threshold", "confidence_threshold")


def build(sizes: Sizes, weights: Mapping[str, torch.Tensor]) -> DiffusionGemmaForBlockDiffusion:
    """weights: by the names that they have in training."""
    fields = export.config(sizes)
    text = {key: value for key, value in fields["text_config"].items() if key != "model_type"}
    vision = Gemma4VisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=16,
        position_embedding_size=16,
    )
    config = DiffusionGemmaConfig(
        text_config=DiffusionGemmaTextConfig(**text),
        vision_config=vision,
        canvas_length=sizes.canvas,
        image_token_id=sizes.vocab - 1,
        boi_token_id=None,
        eoi_token_id=None,
    )
    reference = DiffusionGemmaForBlockDiffusion(config).eval()
    published = {export.published_name(name): weight.detach() for name, weight in weights.items()}
    assert not reference.load_state_dict(published, strict=False).unexpected_keys
    return reference


def answers(
    reference: DiffusionGemmaForBlockDiffusion, model: gesso.Model, examples: Sequence[Example]
) -> list[Answer]:
    """The reference's answers, with the draws of gesso and the default options of a model of gesso."""
    prompts = [prompt_ids(model, example.dialogue) for example in examples]
    options = {name: getattr(model.config, name) for name in OPTIONS}
    found: dict[int, Answer] = {}
    for places in _of_one_length(prompts):
        generated = hf_reference.generate(
            reference,
            [prompts[place] for place in places],
            seeds=[examples[place].seed for place in places],
            end_token_ids=model.config.end_token_ids,
            max_new_tokens=model.config.canvas_length,
            **options,
        )
        for place, ids, steps in zip(places, generated.sequences, generated.denoising_steps, strict=True):
            found[place] = Answer(ids, decode_reply(model.tokenizer, ids, prompts[place]), sum(steps))
    return [found[place] for place in range(len(examples))]


def _of_one_length(prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yields the places of prompts that can run as one batch."""
    by_length: dict[int, list[int]] = {}
    for place, prompt in enumerate(prompts):
        by_length.setdefault(len(prompt), []).append(place)
    for places in by_length.values():
        yield from (places[i : i + BATCH] for i in range(0, len(places), BATCH))
