"""The model that `train_mini.py` trains against the reference: the same logits from the same weights.

If training had other mathematics than the reference, a trained model would be worse in gesso than its loss says.
"""

import pytest

pytest.importorskip("torch", reason="the parity tests compare with transformers, which needs torch")
pytest.importorskip("transformers", reason="the parity tests compare with transformers")

import numpy as np
import torch
from mini import export, fused
from mini import tokenizer as mini_tokenizer
from mini.batches import make_batch, to_ids
from mini.checkpoint import named
from mini.generator import draw_dialogue
from mini.model import Mini
from mini.sizes import Sizes

import gesso
from parity import hf_reference, mini_reference

SIZES = {"layers": 4, "window": 24}
TEMPERATURE = 0.7


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    model = Mini(Sizes(**SIZES))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:  # norms and scalars that are all one would hide a mix-up
                parameter.mul_(1 + 0.2 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module")
def reference(model):
    return mini_reference.build(model.sizes, named(model))


@pytest.fixture(scope="module")
def pairs():
    tokenizer = mini_tokenizer.load()
    return [to_ids(tokenizer, draw_dialogue(4, index)[1]) for index in range(16)]


@torch.no_grad()
def test_logits_are_those_of_the_reference(model, reference, pairs):
    batch = make_batch(pairs, [64 if i % 2 else len(reply) + 3 for i, (_, reply) in enumerate(pairs)])
    layout = batch.canvas_layout
    canvas = torch.randint(model.sizes.vocab, batch.canvas.shape, generator=torch.Generator().manual_seed(1))
    cache, _, _ = model.encode(batch.text, batch.text_layout, batch.prompt_lengths)
    first = model.raw_logits(model.denoise(canvas, layout, cache, None)[0])
    soft = model.soft_embeddings(first, torch.full((len(canvas), 1), TEMPERATURE))
    second = model.raw_logits(model.denoise(canvas, layout, cache, soft)[0])

    texts = batch.text.split(batch.text_layout.lengths.tolist())
    lengths = layout.lengths.tolist()
    parts = zip(
        texts,
        batch.prompt_lengths.tolist(),
        canvas.split(lengths),
        fused.cap(first).split(lengths),
        fused.cap(second).split(lengths),
        strict=True,
    )
    for text, prompt_length, ids, expected, conditioned in parts:
        prefix = hf_reference.encode(reference, text[:prompt_length].tolist())
        found = hf_reference.denoise(reference, prefix, ids.numpy())
        np.testing.assert_allclose(found, expected, atol=2e-5)
        found = hf_reference.denoise(reference, prefix, ids.numpy(), expected.numpy() / TEMPERATURE)
        np.testing.assert_allclose(found, conditioned, atol=2e-5)


def test_gesso_reads_what_is_exported(model, pairs, tmp_path):
    export.write_folder(tmp_path / "mini", named(model), model.sizes)
    export.write_gguf(tmp_path / "mini", tmp_path / "mini.gguf", "Q8_0")
    loaded = gesso.load(str(tmp_path / "mini.gguf"))
    _, dialogue = draw_dialogue(4, 0)
    ids = loaded.tokenizer.apply_chat_template(
        dialogue.messages, tools=dialogue.tools or None, enable_thinking=dialogue.thinking, tokenize=True
    )
    assert ids == pairs[0][0]
    assert loaded.config.end_token_ids == mini_tokenizer.END_TOKENS
    assert len(loaded.generate([ids], max_new_tokens=64, max_denoising_steps=2, seed=0).results[0].canvases) == 1
