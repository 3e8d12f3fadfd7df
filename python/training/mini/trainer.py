"""The training loop: a run can be stopped at any step and goes on as if it had not been."""

from __future__ import annotations

import json
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from mini import tokenizer as mini_tokenizer
from mini.batches import Batches
from mini.checkpoint import Progress, copy_into, load_state, load_weights, named, reading, save_state, save_weights
from mini.log import LOG, cut_log
from mini.model import Mini
from mini.objective import losses
from mini.optimizer import Optimizer
from mini.sizes import Sizes

AVERAGE = 0.998  # how much of the running average of the weights a step keeps
HELD_OUT_STEP = 1 << 40  # the noise of held-out batches is that of steps which training never reaches
NUM_HELD_OUT_BATCHES = 4
OWN_CANVASES_FROM_PART = 3
KEPT = ("seed", "batch")  # what the data of all steps of a run depend on


@dataclass(frozen=True)
class Plan:
    """How to train.

    warm_up: steps until the learning rate is at its top; also after a start from weights alone.
    decay_from, decay_steps: where the learning rate begins to fall to zero, and in how many steps; None: not yet.
    parts_from: the steps where the second part and those behind it begin, as far as they do; see `generator`.
    """

    seed: int
    batch: int
    steps: int
    muon_rate: float
    adam_rate: float
    warm_up: int
    decay_from: int | None
    decay_steps: int
    log_every: int
    held_out_every: int
    save_minutes: float
    parts_from: tuple[int, ...] = ()

    def scale(self, step: int, started: int) -> float:
        """Returns the share of the top learning rate in a step. started: the first step of this optimizer."""
        scale = min(1.0, (step + 1 - started) / self.warm_up)
        if self.decay_from is not None:
            scale *= max(0.0, min(1.0, (self.decay_from + self.decay_steps - step) / self.decay_steps))
        return scale


class Trainer:
    def __init__(self, plan: Plan, work: Path, weights: Path | None, dtype: torch.dtype):
        """work: the folder of the state and the log. weights: what to begin with if there is no state."""
        torch.manual_seed(plan.seed)
        torch.use_deterministic_algorithms(True)  # some gradients are otherwise added in the threads' order
        torch.utils.deterministic.fill_uninitialized_memory = False
        self.plan, self.work = plan, work
        tokenizer = mini_tokenizer.load()
        self.model = Mini(Sizes(vocab=tokenizer.get_vocab_size()), dtype)
        canvas = self.model.sizes.canvas
        self.batches = Batches(tokenizer, plan.seed, plan.batch, canvas, parts_from=plan.parts_from)
        self.held_out = Batches(tokenizer, plan.seed + 1, plan.batch, canvas, held_out=True)
        self.optimizer = Optimizer(self.model, plan.muon_rate, plan.adam_rate)
        progress, self.started = Progress(), 0
        self.seen: list[list[float]] = []  # the losses since the last line of the log
        self.state_file = work / "state.pt"
        if self.state_file.exists():
            progress = self._go_on()
        else:
            if weights is not None:
                progress = self._begin_with(weights)
            self.average = {name: p.detach().clone() for name, p in named(self.model).items()}
        self.step, self.earlier_minutes = progress.step, progress.cpu_minutes
        with reading(work / LOG, "a line of JSON for each step with losses"):
            cut_log(work / LOG, self.step)
        self.stopping = False

    def _go_on(self) -> Progress:
        """Takes over the saved state. Those of earlier versions say nothing of their seed and batch."""
        with reading(self.state_file, "the state that a training has saved"):
            state = load_state(self.state_file)
            copy_into(self.model, state["weights"])
            self.optimizer.load(state["optimizer"])
            self.average = {name: state["average"][name].view_as(p) for name, p in named(self.model).items()}
            progress, self.started = Progress(int(state["step"]), float(state["cpu_minutes"])), int(state["started"])
            self.seen = list(state["seen"])
        for name in KEPT:
            if (before := state.get(name, own := getattr(self.plan, name))) != own:
                raise ValueError(
                    f"{self.state_file}: this run was started with --{name} {before}, got {own}; it cannot go on with"
                    " other data, which a run in another folder may have"
                )
        return progress

    def _begin_with(self, weights: Path) -> Progress:
        loaded, progress = load_weights(weights)
        with reading(weights, "weights of this model"):
            copy_into(self.model, loaded)
        self.started = progress.step
        if (log := weights.with_name(LOG)).exists() and not (self.work / LOG).exists():
            shutil.copy(log, self.work / LOG)
        return progress

    def cpu_minutes(self) -> float:
        return self.earlier_minutes + time.process_time() / 60

    def stop(self, *_: object) -> None:
        """Ends the loop behind the present step."""
        self.stopping = True

    def save(self) -> None:
        state = {"weights": {name: p.detach() for name, p in named(self.model).items()}, "average": self.average}
        state |= {"optimizer": self.optimizer.state(), "step": self.step, "started": self.started}
        state |= {"seen": self.seen} | {name: getattr(self.plan, name) for name in KEPT}
        progress = Progress(self.step, self.cpu_minutes())
        save_state(self.state_file, state | {"cpu_minutes": progress.cpu_minutes})
        save_weights(self.work / "weights.safetensors", self.average, progress)

    def train_step(self) -> list[float]:
        """Returns the losses of the canvas and of the encoder, and that of uneven use."""
        result = losses(
            self.model,
            self.batches.batch(self.step),
            self.plan.seed,
            self.step,
            own_canvases=self.batches.part(self.step) >= OWN_CANVASES_FROM_PART,
        )
        self.model.zero_grad(set_to_none=True)
        result.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if not norm.isfinite():
            raise FloatingPointError(f"step {self.step}: the gradient is not finite; the last saved state is good")
        self.optimizer.step(self.plan.scale(self.step, self.started))
        self.step += 1
        keep = min(AVERAGE, (self.step - self.started + 1) / (self.step - self.started + 10))
        averages: list[Tensor] = list(self.average.values())
        torch._foreach_lerp_(averages, [p.detach() for p in self.model.parameters()], 1 - keep)
        return [result.canvas, result.encoder, result.uneven]

    @torch.no_grad()
    def held_out_loss(self) -> dict[str, float]:
        """Returns the losses of the averaged weights on a few batches that are held out."""
        own = {name: p.detach().clone() for name, p in named(self.model).items()}
        copy_into(self.model, self.average)
        results = [
            losses(self.model, self.held_out.batch(i), self.plan.seed + 1, HELD_OUT_STEP + i)
            for i in range(NUM_HELD_OUT_BATCHES)
        ]
        copy_into(self.model, own)
        count = len(results)
        return {
            "held_out": round(sum(r.canvas for r in results) / count, 4),
            "held_out_encoder": round(sum(r.encoder for r in results) / count, 4),
        }

    def log(self, line: dict[str, float]) -> None:
        with open(self.work / LOG, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def run(self) -> None:
        """Trains until `plan.steps`, or until SIGTERM or SIGINT comes. Then it saves."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        saved = time.monotonic()
        while self.step < self.plan.steps and not self.stopping:
            self.seen.append(self.train_step())
            if self.step % self.plan.log_every == 0:
                canvas, encoder, uneven = (round(fmean(values), 4) for values in zip(*self.seen, strict=True))
                line = {"step": self.step, "loss": canvas, "encoder": encoder, "uneven": uneven}
                line["cpu_minutes"] = round(self.cpu_minutes(), 2)
                if (part := self.batches.part(self.step - 1)) > 1:
                    line["part"] = part
                if self.step % self.plan.held_out_every == 0:
                    line |= self.held_out_loss()
                self.log(line)
                self.seen = []
            if time.monotonic() - saved > 60 * self.plan.save_minutes:
                self.save()
                saved = time.monotonic()
        self.save()
