"""What it costs to leave the least probable tokens out of the soft embedding, and what it saves, as a table.

    python bench/left_out.py [--puzzles 100] [--layers 2] [--seconds 3] [--threads 2] [-o json]

For each share of the probability that is left out it shows how the logits of the next step change, compared with the
soft embedding of all tokens: on the bundled Sudoku model (Q8_0), and on random weights of the released model's widths
(Q4_K_M). The row "int8" shows what rounding the inputs of products changes in the same logits, compared with f32. It
also shows the time of head_stats with that share, and its ratio to the time with 2^-24. The shares take turns.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import gesso
from gesso import _native, _ops
from gesso.bundled.sudoku_model import bundled_model, make_puzzles
from gesso.cli.parts.command_parser import integer, number_not_below_zero
from gesso.measure.record import spread
from gesso.measure.subject import from_preset
from gesso.model import Model
from gesso.synth.tensors import LOGIT_SPREAD
from harness import Variant, make_stored, origin, ratio, rows_of, take_turns

SHARES = [2.0**-6, 2.0**-8, 2.0**-10, 2.0**-12, 2.0**-16, 2.0**-24]
HIDDEN, VOCABULARY, ROWS, CAP, TEMPERATURE = 2816, 262144, 256, 30.0, 0.8
SPREADS = (LOGIT_SPREAD, 0.3 * LOGIT_SPREAD)  # of the logits before the soft cap


def first_kept(z: np.ndarray) -> np.ndarray:
    """[shares, C]: the smallest z of each row that is kept when the smaller ones have at most a share of the weight."""
    found = np.empty((len(SHARES), len(z)), np.float32)
    for r, row in enumerate(z):
        ascending = np.sort(row)
        sums = np.cumsum(np.exp(ascending - ascending[-1], dtype=np.float64))
        found[:, r] = ascending[np.searchsorted(sums, np.array(SHARES) * sums[-1], side="right")]
    return found


@dataclass
class Differences:
    """How far logits differ from others, over all positions."""

    largest: float = 0.0
    kl: list[float] = field(default_factory=list)
    flips: list[bool] = field(default_factory=list)

    def add(self, logits: np.ndarray, reference: np.ndarray) -> None:
        self.largest = max(self.largest, float(np.abs(logits - reference).max()))
        log_p, log_q = log_softmax(reference), log_softmax(logits)
        self.kl += (np.exp(log_p) * (log_p - log_q)).sum(axis=1, dtype=np.float64).tolist()
        self.flips += (logits.argmax(axis=1) != reference.argmax(axis=1)).tolist()

    def record(self, name: str) -> dict[str, Any]:
        means = {"mean_kl": float(np.mean(self.kl)), "argmax_flips": float(np.mean(self.flips))}
        return {"left_out": name, "largest_difference": self.largest, **means, "positions": len(self.kl)}


def log_softmax(z: np.ndarray) -> np.ndarray:
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True, dtype=np.float64)).astype(np.float32)


def name_of(share: float) -> str:
    return f"2^{round(np.log2(share))}"


def quality(exact: Model, f32: Model, prompts: list[list[int]], steps: int) -> list[dict[str, Any]]:
    """`exact` has int8 inputs and leaves out nothing. Each canvas takes `steps` conditioned steps."""
    rng = np.random.default_rng(0)
    found = {name: Differences() for name in [*map(name_of, SHARES), "int8"]}
    for prompt in prompts:
        session, f32_session = exact.session(), f32.session()
        session.encode(prompt)
        f32_session.encode(prompt)
        canvas = rng.integers(exact.config.vocab_size, size=exact.config.canvas_length)
        logits = session.denoise(canvas)[0]
        for _ in range(steps):
            canvas = np.where(rng.random(len(canvas)) < 0.3, logits.argmax(axis=1), canvas)
            z = logits / np.float32(exact.config.t_max)
            logits = session.denoise(canvas, z[None])[0]
            for share, kept in zip(SHARES, first_kept(z), strict=True):
                some = np.where(z < kept[:, None], np.float32(-np.inf), z)
                found[name_of(share)].add(session.denoise(canvas, some[None])[0], logits)
            found["int8"].add(logits, f32_session.denoise(canvas, z[None])[0])
    return [differences.record(name) for name, differences in found.items()]


def sudoku(num_puzzles: int) -> list[dict[str, Any]]:
    exact = gesso.load(bundled_model(), "cpu", activations="int8", exact_soft_embedding=True)
    f32 = gesso.load(bundled_model(), "cpu", activations="f32")
    return quality(
        exact, f32, [exact.tokenizer.encode_prompt(puzzle) for puzzle in make_puzzles(0, num_puzzles)], steps=3
    )


def full_width(num_layers: int) -> list[dict[str, Any]]:
    checkpoint = from_preset(f"26b-a4b:Q4_K_M:{num_layers}", 0).open(lambda done, total: None)
    exact, f32 = (Model(_native.Model(checkpoint, "cpu", 0, kind, None, True)) for kind in ("int8", "f32"))
    return quality(exact, f32, [np.random.default_rng(1).integers(100, VOCABULARY - 5000, 30).tolist()], steps=1)


def times(logit_spread: float, num_threads: int, seconds: float) -> Iterator[dict[str, Any]]:
    head = make_stored("token_embd.weight", "Q6_K", (VOCABULARY, HIDDEN))
    x, keys = np.float32(logit_spread) * rows_of(ROWS, HIDDEN), [(1, row, 2) for row in range(ROWS)]

    def variant(share: float) -> Variant:
        def call(num_threads: int) -> Any:
            options = {"left_out_share": share, "num_threads": num_threads}
            return _ops.head_stats(x, head, None, CAP, HIDDEN**0.5, [TEMPERATURE] * ROWS, keys, **options)

        return Variant("Q6_K", "int8", call)

    entropies, *_ = variant(SHARES[0]).call(num_threads)

    found = take_turns([variant(share) for share in SHARES], "head_stats", num_threads, seconds)
    for share, entries in zip(SHARES, found, strict=True):
        ms = spread([entry["ms"] for entry in entries])
        times = {"ms": ms, "ratio": ratio(entries, found[-1])}
        yield {"left_out": name_of(share), "spread": logit_spread, "mean_entropy": float(np.mean(entropies)), **times}


def to_markdown(result: dict[str, Any]) -> str:
    by_share = {(entry["left_out"], entry["spread"]): entry for entry in result["head_stats"]}
    entropies = {entry["spread"]: entry["mean_entropy"] for entry in result["head_stats"]}
    heads = [f"head_stats, spread {logit_spread:g}" for logit_spread in entropies]
    measures = ["largest difference", "KL, nats", "other argmax"]
    titles = ["left out", *(f"{name}: {x}" for name in ("Sudoku, Q8_0", "26B widths, Q4_K_M") for x in measures)]
    lines = [
        f"| {' | '.join(titles + heads)} |",
        "|---" * (7 + len(heads)) + "|",
    ]
    for small, wide in zip(result["sudoku"], result["26b_widths"], strict=True):
        cells = [small["left_out"]]
        for entry in (small, wide):
            cells += [f"{entry['largest_difference']:.1e}", f"{entry['mean_kl']:.1e}", f"{entry['argmax_flips']:.2%}"]
        for logit_spread in entropies:
            timed = by_share.get((small["left_out"], logit_spread))
            cells.append(f"{timed['ms']['median']:.0f} ms, {timed['ratio']['median']:.2f}" if timed else "-")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures shares that the soft embedding leaves out.")
    parser.add_argument("--puzzles", type=integer(1), default=100, metavar="N")
    parser.add_argument(
        "--layers", type=integer(1), default=2, metavar="N", help="of the model of 26B widths; default: 2"
    )
    parser.add_argument(
        "--seconds", type=number_not_below_zero, default=3, metavar="S", help="for each share and spread"
    )
    parser.add_argument("--threads", type=integer(0), default=0, metavar="N", help="default: one a processor")
    parser.add_argument("-o", "--format", choices=("md", "json"), default="md")
    options = parser.parse_args()
    num_threads = options.threads or gesso.load(bundled_model(), "cpu").num_threads
    result = {
        **origin("left_out"),
        "num_threads": num_threads,
        "sudoku": sudoku(options.puzzles),
        "26b_widths": full_width(options.layers),
        "head_stats": [entry for width in SPREADS for entry in times(width, num_threads, options.seconds)],
    }
    print(to_markdown(result) if options.format == "md" else json.dumps([result], indent=1))


if __name__ == "__main__":
    main()
