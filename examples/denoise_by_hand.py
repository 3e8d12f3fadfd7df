"""Denoises one canvas with a sampler of its own: each step keeps the surest tokens, the others become noise.

python examples/denoise_by_hand.py [MODEL]

`Model.generate` does the same with the sampler of the reference. Here a step keeps twice as many tokens as the one
before it, so a canvas of 256 tokens takes 9 steps.
"""

import sys

import numpy as np

import gesso

TEMPERATURE = 0.6
model = gesso.load(sys.argv[1] if len(sys.argv) > 1 else "mini")
assert model.tokenizer is not None
tokenizer, config = model.tokenizer, model.config
question = "Write name, age and job as JSON.\nDana, 34, is a nurse from Oslo."
prompt = tokenizer.apply_chat_template([{"role": "user", "content": question}], tokenize=True)

session = model.session()
session.encode(prompt)  # once; the steps read it from the cache
noise = np.random.default_rng(1)
canvas = noise.integers(0, config.vocab_size, config.canvas_length)
scaled = None  # the logits of the step before, which the model also gets
kept = 1
while True:
    logits = session.denoise(canvas, scaled)[0]  # [canvas length, vocabulary], float32
    scaled = logits[None] / np.float32(TEMPERATURE)
    best = logits.argmax(axis=1)
    p = np.exp(scaled[0] - scaled[0].max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    entropies = -(p * np.log(p + 1e-30)).sum(axis=1)  # of each position, in nats

    ends = np.flatnonzero(np.isin(best, config.end_token_ids))
    text = tokenizer.decode(best[: ends[0]] if len(ends) else best)
    print(f"{min(kept, len(best)):3} tokens kept, {entropies.mean():.3f} nats: {text!r}")
    if kept >= config.canvas_length:
        break
    surest = np.argsort(entropies, kind="stable")[:kept]
    canvas = noise.integers(0, config.vocab_size, config.canvas_length)
    canvas[surest] = best[surest]
    kept *= 2
