"""`gesso inspect --compare A B`: how far two models differ, in their tensors and in what they predict."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from typing import TypedDict

import numpy as np

from gesso import ArgumentError, NumericsError
from gesso.cli.parts.command_parser import CommandParser, add_seed, add_threads, integer
from gesso.loading import load
from gesso.measure.compare import (
    TensorError,
    check_comparable,
    compare_logits,
    compare_tensors,
    random_prompt,
    read_tensors,
    relative_rms,
)
from gesso.measure.text import columns, counted, json_text, natural_order, show_bytes, visible
from gesso.model import Model
from gesso.terminal.progress import Progress

PROMPT_LENGTH = 32  # tokens of a random prompt, where the user gives none


class TypesEntry(TypedDict):
    """The matrices that have one type in A and one in B, taken together."""

    a: str
    b: str
    count: int
    bytes_a: int
    bytes_b: int
    relative_rms: float | None


class TensorEntry(TypedDict):
    """One tensor that both have."""

    name: str
    shape: tuple[int, ...]
    type_a: str
    type_b: str
    bytes_a: int
    bytes_b: int
    relative_rms: float | None
    max_abs: float | None


class ShapeEntry(TypedDict):
    """A tensor that has another shape in B than in A."""

    name: str
    a: tuple[int, ...]
    b: tuple[int, ...]


class LogitEntry(TypedDict):
    """How far the predictions are apart."""

    canvases: int
    prompt_tokens: int
    num_positions: int
    mean_kl: float | None
    max_kl: float | None
    argmax_agreement: float


class Report(TypedDict):
    """Everything that --json prints."""

    a: str
    b: str
    types: list[TypesEntry]
    tensors: list[TensorEntry]
    only_in_a: list[str]
    only_in_b: list[str]
    other_shape: list[ShapeEntry]
    logits: LogitEntry | None  # None where none were asked for, and where there is a problem
    problem: str | None


def add_arguments(parser: CommandParser) -> None:
    group = parser.add_argument_group(
        "comparison",
        "Compares model B with model A, the reference. For each tensor it prints the relative RMS error, which is"
        " sqrt(sum (b - a)^2 / sum a^2), and the largest difference. For the predictions it prints the KL divergence"
        " KL(A || B) per position in nats, and the share of positions where both models expect the same token.",
    )
    group.add_argument("--compare", nargs=2, metavar=("A", "B"), help="compare two models; A is the reference")
    group.add_argument(
        "--canvases",
        type=integer(0),
        default=4,
        metavar="N",
        help="number of canvases whose predictions are compared, in two passes each; default: 4; 0 compares tensors"
        " only",
    )
    group.add_argument(
        "--prompt", metavar="TEXT", help="the text in front of each canvas; default: 32 random tokens for each canvas"
    )
    add_seed(group, "seed of the random canvases and prompts")
    add_threads(group)


def compare(options: argparse.Namespace) -> int:
    report = describe(options)
    if options.json:
        print(json_text(report))
    else:
        print(visible("\n".join(report_lines(report))))
    return 0 if report["tensors"] and report["problem"] is None else 1


def describe(options: argparse.Namespace) -> Report:
    """Returns everything that the comparison finds, in types that JSON has."""
    a, b = options.compare
    with Progress("tensors") as progress:
        found = compare_tensors(read_tensors(a, mmap=options.mmap), read_tensors(b, mmap=options.mmap), progress.update)
    errors = sorted(found.errors, key=lambda error: natural_order(error.name))
    report: Report = {
        "a": a,
        "b": b,
        "types": sum_up(errors),
        "tensors": [tensor_entry(error) for error in errors],
        "only_in_a": found.only_in_a,
        "only_in_b": found.only_in_b,
        "other_shape": [{"name": name, "a": x, "b": y} for name, x, y in found.other_shape],
        "logits": None,
        "problem": None,
    }
    if options.canvases > 0:
        try:
            report["logits"] = describe_logits(options)
        except (ValueError, MemoryError, NumericsError) as error:
            report["problem"] = str(error)
    return report


def sum_up(errors: Iterable[TensorError]) -> list[TypesEntry]:
    """Groups the matrices by their types in A and B. Returns each group's count, bytes and common error."""
    groups: dict[tuple[str, str], list[TensorError]] = {}
    for error in errors:
        if len(error.shape) > 1:
            groups.setdefault(error.types, []).append(error)
    return [
        {
            "a": types[0],
            "b": types[1],
            "count": len(group),
            "bytes_a": sum(error.num_bytes[0] for error in group),
            "bytes_b": sum(error.num_bytes[1] for error in group),
            "relative_rms": joint_error(group),
        }
        for types, group in groups.items()
    ]


def joint_error(errors: Sequence[TensorError]) -> float | None:
    """The relative error of several tensors as if they were one; None where one of them could not be decoded."""
    if any(error.relative_rms is None for error in errors):
        return None
    squared_errors, squares = (sum(error.sum_squares[i] for error in errors) for i in (0, 1))
    return finite(relative_rms(squared_errors, squares))


def tensor_entry(error: TensorError) -> TensorEntry:
    return {
        "name": error.name,
        "shape": error.shape,
        "type_a": error.types[0],
        "type_b": error.types[1],
        "bytes_a": error.num_bytes[0],
        "bytes_b": error.num_bytes[1],
        "relative_rms": finite(error.relative_rms),
        "max_abs": finite(error.max_abs),
    }


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def describe_logits(options: argparse.Namespace) -> LogitEntry:
    a, b = (load_model(path, options.threads, options.mmap) for path in options.compare)
    check_comparable(a, b)
    prompts = make_prompts(a, options)
    with Progress("canvases", "canvases") as progress:
        found = compare_logits(a, b, prompts, options.seed, progress.update)
    return {
        "canvases": len(prompts),
        "prompt_tokens": len(prompts[0]),
        "num_positions": found.num_positions,
        "mean_kl": finite(found.mean_kl),
        "max_kl": finite(found.max_kl),
        "argmax_agreement": found.argmax_agreement,
    }


def load_model(path: str, num_threads: int | None, mmap: bool) -> Model:
    try:
        # Activations stay float32: rounding them to int8 may change a prediction more than the weights' types do.
        return load(path, "cpu", num_threads, activations="f32", mmap=mmap)
    except ValueError as error:  # the error does not say which of the two models it is about
        raise ValueError(f"{path}: {error}") from None


def make_prompts(model: Model, options: argparse.Namespace) -> list[list[int]]:
    if options.prompt is not None:
        if model.tokenizer is None:
            raise ArgumentError(f"{options.compare[0]}: has no tokenizer, which --prompt needs")
        return [model.tokenizer.encode_prompt(options.prompt)] * options.canvases
    rng = np.random.default_rng(options.seed)
    length = min(PROMPT_LENGTH, model.config.max_position_embeddings - model.config.canvas_length)
    return [random_prompt(model, rng, length) for _ in range(options.canvases)]


def report_lines(report: Report) -> list[str]:
    """Returns the lines of the report for people. Tensors that are the same in both models are only counted."""
    lines = [f"A, the reference: {report['a']}", f"B:                {report['b']}"]
    if not report["tensors"]:
        lines.append("A and B have no tensor in common.")
    changed = [x for x in report["tensors"] if x["relative_rms"] != 0 or x["type_a"] != x["type_b"]]
    num_equal = len(report["tensors"]) - len(changed)
    lines += ["", "Tensors, values times their .scale", *tensor_lines(changed)]
    lines += [f"  {num_equal} tensors have the same type and values in both"]
    lines += ["", "Matrices by type", *type_lines(report["types"])]
    for title, names in (("Only in A", report["only_in_a"]), ("Only in B", report["only_in_b"])):
        if names:
            lines += ["", title, *(f"  {name}" for name in names)]
    if report["other_shape"]:
        rows = [(x["name"], str(list(x["a"])), str(list(x["b"]))) for x in report["other_shape"]]
        lines += ["", "Of another shape, and not compared", *columns(rows)]
    if report["problem"] is not None:
        lines += ["", f"The predictions cannot be compared: {report['problem']}"]
    if report["logits"] is not None:
        lines += ["", *logit_lines(report["logits"])]
    return lines


def tensor_lines(entries: Sequence[TensorEntry]) -> list[str]:
    header = ("name", "shape", "A", "B", "size of A", "size of B", "relative RMS", "largest")
    rows = [
        (
            x["name"],
            str(list(x["shape"])),
            x["type_a"],
            x["type_b"],
            show_bytes(x["bytes_a"]),
            show_bytes(x["bytes_b"]),
            show_error(x["relative_rms"]),
            show_error(x["max_abs"]),
        )
        for x in entries
    ]
    return columns([header, *rows], right=(4, 5, 6, 7)) if rows else []


def type_lines(types: Sequence[TypesEntry]) -> list[str]:
    header = ("A", "B", "count", "size of A", "size of B", "relative RMS")
    rows = [
        (
            x["a"],
            x["b"],
            str(x["count"]),
            show_bytes(x["bytes_a"]),
            show_bytes(x["bytes_b"]),
            show_error(x["relative_rms"]),
        )
        for x in types
    ]
    return columns([header, *rows], right=(2, 3, 4, 5))


def logit_lines(logits: LogitEntry) -> list[str]:
    rows = [
        ("positions", f"{logits['num_positions']:,}"),
        ("mean KL(A || B)", f"{show_error(logits['mean_kl'])} nats"),
        ("largest KL(A || B)", f"{show_error(logits['max_kl'])} nats"),
        ("same argmax", f"{logits['argmax_agreement']:.2%}"),
    ]
    canvases = counted(logits["canvases"], "canvas", "canvases")
    tokens = counted(logits["prompt_tokens"], "token", "tokens")
    title = f"Predictions for {canvases} behind {tokens}, two passes each"
    return [title, *columns(rows, right=(1,))]


def show_error(value: float | None) -> str:
    return "-" if value is None else f"{value:.3e}" if value else "0"
