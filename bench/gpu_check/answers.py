"""Writes what small models answer on the CPU without rounding, for gesso_gpu_answers. It needs the package gesso.

The form of the files is in bench/gpu/answers/answers_file.h.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

import gesso
from gesso.bundled.sudoku_model import bundled_model, make_puzzles
from gpu_check.setting import ROOT

GOLDEN = ("mixed", "q8_0", "q4_0", "bf16", "top_1", "single_layer")
BUNDLED = f"python/gesso/bundled/{Path(bundled_model()).name}"
NUM_PROMPTS = 4  # of each golden model
NUM_PUZZLES = 16


def write_all(folder: Path) -> dict[str, str]:
    """Returns where the models are: their names, and their paths in the repository."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: ROOT / "tests/golden" / f"{name}.gguf" for name in GOLDEN} | {"sudoku": ROOT / BUNDLED}
    for name, path in paths.items():
        model = gesso.load(path, "cpu", activations="f32")
        if name == "sudoku":
            assert model.tokenizer is not None
            prompts = [model.tokenizer.encode_prompt(puzzle) for puzzle in make_puzzles(0, NUM_PUZZLES)]
            # A trained model is sure of its ids. Rounding may change a close decision.
            text = answers(model, prompts, new_tokens=1, steps=48, may_differ=1)
        else:
            rng = np.random.default_rng(0)
            prompts = [rng.integers(0, model.config.vocab_size, 9 * i + 1).tolist() for i in range(NUM_PROMPTS)]
            text = answers(model, prompts, new_tokens=1, steps=4, may_differ=NUM_PROMPTS)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return {name: str(path.relative_to(ROOT)) for name, path in paths.items()}


def answers(model: gesso.Model, prompts: list[list[int]], new_tokens: int, steps: int, may_differ: int) -> str:
    seeds = list(range(len(prompts)))
    output = model.generate(prompts, max_new_tokens=new_tokens, max_denoising_steps=steps, seed=seeds)
    lines = [f"new_tokens {new_tokens}", f"steps {steps}", f"may_differ {may_differ}"]
    rng = np.random.default_rng(1)
    for prompt, ids in zip(prompts, output.sequences, strict=True):
        session = model.session()
        session.encode(prompt)
        canvas = rng.integers(0, model.config.vocab_size, model.config.canvas_length)
        logits = session.denoise(canvas)
        conditioned = session.denoise(canvas, logits / np.float32(model.config.t_max))
        lines += [line("prompt", prompt), line("canvas", canvas)]
        lines += [line("logits", logits.ravel()), line("conditioned", conditioned.ravel()), line("ids", ids)]
    return "\n".join(lines) + "\n"


def line(word: str, values: Iterable[float]) -> str:
    """Nine digits tell float32 numbers apart."""
    return " ".join([word, *(f"{value:.9g}" for value in values)])
