"""Trains the bundled 6x6 Sudoku model on the CPU. It is a small model of DiffusionGemma's architecture.

    python python/training/train_sudoku.py --work build/sudoku                  train, then export
    python python/training/train_sudoku.py --work build/sudoku --export-only    export the newest checkpoint again

If there is a checkpoint, training goes on from it. The data and the noise of a step depend on (seed, step) only, so a
run that goes on computes what a run without a stop would have computed.

The prompt is `<bos>` and the 36 cells of a puzzle. The canvas is the 36 digits of its solution. A training step encodes
the prompts. It draws a t from 0 to 1 for each sequence and replaces every canvas token with probability t by a random
id. The loss is the cross-entropy over the whole canvas. In half of the steps there is a first pass without gradient,
whose logits, divided by a random temperature, condition the second pass, as the sampler does it.

A step takes about half a second on two free cores. On cores with other work, set OMP_WAIT_POLICY=PASSIVE: otherwise
threads that wait for each other use up the processors' time.

The bundled file comes from 3880 steps of this script with seed 0. The run was stopped and continued several times, and
--max-minutes set its end. The reference solves 98.8 % of 256 held-out puzzles with 18 of 36 cells given, at 10.0 tokens
per forward.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import (
    DiffusionGemmaConfig,
    DiffusionGemmaForBlockDiffusion,
    DiffusionGemmaTextConfig,
    Gemma4VisionConfig,
)
from transformers.models.diffusion_gemma.generation_diffusion_gemma import EntropyBoundSamplerConfig

from gesso.bundled import sudoku
from gesso.files import gguf_writer
from gesso.files.hf import folder as hf

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
CELLS = [sudoku.HIDDEN, *"123456"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
IMAGE = "<|image|>"  # the class needs the id of an image token; the model never sees an image
VOCABULARY = [*SPECIAL, *CELLS, "\n", "▁", "\n\n", IMAGE, *BYTES]
MERGES = [("\n", "\n")]
PAD, EOS, BOS = 0, 1, 2
FIRST_CELL = VOCABULARY.index(sudoku.HIDDEN)  # id of a hidden cell; digit d has id FIRST_CELL + d
HELD_OUT_SEED = 20_000  # the evaluation puzzles are the same in every run
GIVEN_CENTRE, GIVEN_SPREAD, GIVEN_RANGE = 0.5, 0.1, (0.3, 0.7)


def build_config() -> DiffusionGemmaConfig:
    """Returns the model's configuration.

    All row lengths are multiples of 32, so that the formats with blocks of 32 elements fit every matrix.
    """
    text = DiffusionGemmaTextConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        global_head_dim=64,
        num_global_key_value_heads=2,
        max_position_embeddings=1024,
        sliding_window=64,
        layer_types=["sliding_attention", "sliding_attention", "full_attention", "full_attention"],
        num_experts=8,
        top_k_experts=2,
        moe_intermediate_size=128,
        use_bidirectional_attention="vision",
        pad_token_id=PAD,
        eos_token_id=EOS,
        bos_token_id=BOS,
    )
    vision = Gemma4VisionConfig(  # the class requires it; it is never used, and the export leaves it out
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=16,
        position_embedding_size=16,
    )
    return DiffusionGemmaConfig(
        text_config=text,
        vision_config=vision,
        canvas_length=sudoku.NUM_CELLS,
        image_token_id=VOCABULARY.index(IMAGE),
        boi_token_id=None,
        eoi_token_id=None,
        eos_token_id=[EOS],
    )


def build_tokenizer() -> Tokenizer:
    """Returns a tokenizer of the released model's kind, BPE with byte fallback.

    Each cell is one token. Characters that are not in the vocabulary become byte tokens.
    """
    vocabulary = {token: i for i, token in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.BPE(vocabulary, MERGES, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in [*SPECIAL, IMAGE]])
    return tokenizer


def to_prompts(puzzles: np.ndarray) -> torch.Tensor:
    """Converts puzzles [B, 36], with 0 for hidden cells, to token ids: int64 [B, 37]."""
    ids = np.full((len(puzzles), 1 + sudoku.NUM_CELLS), BOS, dtype=np.int64)
    ids[:, 1:] = puzzles.astype(np.int64) + FIRST_CELL
    return torch.from_numpy(ids)


def training_batch(seed: int, step: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the prompts, int64 [B, 37], and the ids of the solutions, int64 [B, 36], of one step.

    They come from grids that are not held out.
    """
    rng = np.random.default_rng([seed, step])
    grids = sudoku.random_grids(rng, size, held_out=False)
    share = np.clip(rng.normal(GIVEN_CENTRE, GIVEN_SPREAD, size), *GIVEN_RANGE)
    puzzles = sudoku.hide_cells(rng, grids, np.rint(share * sudoku.NUM_CELLS).astype(int))
    return to_prompts(puzzles), torch.from_numpy(grids.astype(np.int64) + FIRST_CELL)


def step_loss(model: DiffusionGemmaForBlockDiffusion, seed: int, step: int, batch_size: int) -> torch.Tensor:
    """Returns the loss of one training step, a scalar tensor."""
    prompts, solutions = training_batch(seed, step, batch_size)
    random = torch.Generator().manual_seed(seed * 1_000_003 + step)
    t = torch.rand(batch_size, 1, generator=random)
    noise = torch.randint(len(VOCABULARY), solutions.shape, generator=random)
    canvas = torch.where(torch.rand(solutions.shape, generator=random) < t, noise, solutions)
    cache = model.model.encoder(input_ids=prompts).past_key_values
    conditioning = None
    if torch.rand((), generator=random) < 0.5:
        # Each sequence has another temperature of the sampler's range, so that the model learns no single one.
        temperature = 0.4 + 0.4 * torch.rand(batch_size, 1, 1, generator=random)
        with torch.no_grad():
            conditioning = model(decoder_input_ids=canvas, past_key_values=cache).logits / temperature
    logits = model(decoder_input_ids=canvas, past_key_values=cache, self_conditioning_logits=conditioning).logits
    return cross_entropy(logits.flatten(0, 1), solutions.flatten())


@torch.no_grad()
def evaluate(model: DiffusionGemmaForBlockDiffusion, count: int, num_given: int = 18, **options) -> dict[str, float]:
    """Solves `count` held-out puzzles with the reference's sampler. `options` replace the sampler's defaults."""
    rng = np.random.default_rng(HELD_OUT_SEED)
    puzzles = sudoku.hide_cells(rng, sudoku.random_grids(rng, count, held_out=True), num_given)
    torch.manual_seed(HELD_OUT_SEED)
    start = time.perf_counter()
    out = model.generate(to_prompts(puzzles), max_new_tokens=sudoku.NUM_CELLS, **options)
    answers = out.sequences[:, -sudoku.NUM_CELLS :].numpy() - FIRST_CELL
    solved = [sudoku.solves(puzzle, answer) for puzzle, answer in zip(puzzles, answers, strict=True)]
    tokens_per_forward = float(torch.as_tensor(out.tokens_per_forward, dtype=torch.float32).mean())
    seconds = time.perf_counter() - start
    return {"solved": sum(solved) / count, "tokens_per_forward": tokens_per_forward, "seconds": seconds}


class Trainer:
    """The model, its optimiser, the running average of its weights, and the checkpoint file of all of them."""

    def __init__(self, arguments: argparse.Namespace):
        torch.manual_seed(arguments.seed)
        self.arguments = arguments
        self.model = DiffusionGemmaForBlockDiffusion(build_config())
        self.model.set_attn_implementation("sdpa")
        self.model.set_experts_implementation("eager")  # a loop over the experts; "batched_mm" is 30 times slower here
        decoder = self.model.model.decoder  # the encoder's text weights are the same tensors
        self.parameters = list(decoder.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        decay = [p for p in self.parameters if p.ndim > 1]
        rest = [p for p in self.parameters if p.ndim <= 1]
        groups = [{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=arguments.learning_rate, betas=(0.9, 0.98))
        self.step = 0
        self.seconds = 0.0
        self.file = Path(arguments.work) / "checkpoint.pt"
        if self.file.exists():
            self.load()

    def load(self) -> None:
        state = torch.load(self.file, weights_only=True)
        with torch.no_grad():
            for target, source in ((self.parameters, state["parameters"]), (self.average, state["average"])):
                for tensor, saved in zip(target, source, strict=True):
                    tensor.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        print(f"resumed at step {self.step}", flush=True)

    def save(self) -> None:
        state = {"parameters": [p.detach() for p in self.parameters], "average": self.average, "step": self.step}
        state |= {"optimizer": self.optimizer.state_dict(), "seconds": self.seconds}
        temporary = self.file.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, self.file)

    def progress(self) -> float:
        """Returns how far the training is, from 0 to 1, by steps or by the time limit, whichever is further."""
        share = self.step / self.arguments.steps
        if self.arguments.max_minutes:
            share = max(share, self.seconds / 60 / self.arguments.max_minutes)
        return min(share, 1.0)

    def train_step(self) -> float:
        start = time.perf_counter()
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress()))
        rate = self.arguments.learning_rate * min(1.0, (self.step + 1) / 200) * max(cosine, 0.01)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = step_loss(self.model, self.arguments.seed, self.step, self.arguments.batch)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.step += 1
        keep = min(0.998, (self.step + 1) / (self.step + 10))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - keep)
        self.seconds += time.perf_counter() - start
        return loss.item()

    def swap_average(self) -> None:
        """Exchanges the weights with their running average. A second call undoes it."""
        with torch.no_grad():
            for parameter, average in zip(self.parameters, self.average, strict=True):
                parameter_copy = parameter.detach().clone()
                parameter.copy_(average)
                average.copy_(parameter_copy)

    def run(self) -> None:
        losses = []
        while self.progress() < 1:
            losses.append(self.train_step())
            if self.step % 50 == 0:
                line = {"step": self.step, "loss": round(float(np.mean(losses)), 4)}
                print(json.dumps(line | {"minutes": round(self.seconds / 60, 2)}), flush=True)
                losses = []
            if self.step % 250 == 0:
                self.save()
            if self.step % 500 == 0:
                self.swap_average()
                print(json.dumps({"step": self.step, **evaluate(self.model, 64)}), flush=True)
                if self.step % 1000 == 0:
                    self.try_export(f"sudoku-6x6-step{self.step}.gguf")
                self.swap_average()
        self.save()
        self.swap_average()
        print(json.dumps({"step": self.step, "final": True, **evaluate(self.model, 256)}), flush=True)
        self.export(Path(self.arguments.export))

    def try_export(self, name: str) -> None:
        """Exports the model during the training. If the export fails, the training goes on."""
        try:
            self.export(Path(self.arguments.export).with_name(name))
        except Exception as error:
            print(f"export of {name} failed: {error!r}", flush=True)

    def export(self, gguf_file: Path) -> None:
        """Writes the model with its present weights as a Hugging Face folder, and that folder as a GGUF file."""
        directory = Path(self.arguments.work) / "hf"
        directory.mkdir(parents=True, exist_ok=True)
        generation = self.model.generation_config
        generation.update(**generation._get_default_generation_params(), defaults_only=True)
        generation.max_new_tokens = sudoku.NUM_CELLS
        generation.eos_token_id, generation.pad_token_id, generation.bos_token_id = [EOS], PAD, BOS
        generation.sampler_config = EntropyBoundSamplerConfig(entropy_bound=0.1)
        self.model.save_pretrained(directory)
        build_tokenizer().save(str(directory / "tokenizer.json"))
        gguf_file.parent.mkdir(parents=True, exist_ok=True)
        checkpoint = hf.read_checkpoint(directory)
        metadata = checkpoint.metadata | {"general.name": "Sudoku 6x6", "general.file_type": 7}
        # The embedding is also the head, and with 8 bits the logits of unlikely tokens would become less exact.
        types = gguf_writer.matrices_as("Q8_0", embedding="BF16")
        gguf_writer.write_gguf(gguf_file, metadata, checkpoint.tensors(), types)
        print(f"wrote {gguf_file} ({gguf_file.stat().st_size} bytes) from step {self.step}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, help="folder for the checkpoint and the Hugging Face export")
    default = Path(__file__).resolve().parents[1] / "gesso" / "bundled" / "sudoku-6x6.gguf"
    parser.add_argument("--export", default=str(default), help="the GGUF file to write at the end")
    parser.add_argument("--export-only", action="store_true", help="export the newest checkpoint and stop")
    parser.add_argument("--evaluate", type=int, default=0, metavar="N", help="solve N held-out puzzles and stop")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--max-minutes", type=float, default=0, help="end after this time of training; 0: no limit")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    Path(arguments.work).mkdir(parents=True, exist_ok=True)
    trainer = Trainer(arguments)
    if not (arguments.export_only or arguments.evaluate):
        trainer.run()
        return
    if not trainer.file.exists():
        raise SystemExit(f"no checkpoint at {trainer.file}")
    trainer.swap_average()
    if arguments.evaluate:
        print(json.dumps({"step": trainer.step, **evaluate(trainer.model, arguments.evaluate)}))
    if arguments.export_only:
        trainer.export(Path(arguments.export))


if __name__ == "__main__":
    main()
