"""`gesso bench`: measures how fast a model runs on this machine, and how fast the machine could run it at most."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from gesso import ArgumentError, _native
from gesso.cli.parts.bench_rows import measure_all, measure_loads
from gesso.cli.parts.command_parser import (
    CommandParser,
    add_activations,
    add_device,
    add_no_mmap,
    add_seed,
    integer,
    list_of,
    positive_number,
    thread_count,
)
from gesso.files.partial_file import check_not_a_source, check_output
from gesso.files.regular_file import as_path
from gesso.measure import client_report
from gesso.measure.record_types import ClientRecord, Record, Row
from gesso.measure.report import to_csv, to_json, to_markdown
from gesso.measure.subject import Subject, check_memory, from_file, from_preset

Measured = TypeVar("Measured", bound=Row)
FORMATS: dict[str, Callable[[list[Record]], str]] = {"md": to_markdown, "json": to_json, "csv": to_csv}
LOAD_FORMATS: dict[str, Callable[[list[ClientRecord]], str]] = {
    "md": client_report.to_markdown,
    "json": to_json,
    "csv": to_csv,
}
EXAMPLES = {
    "gesso bench model.gguf": "Measures one prompt of 512 tokens.",
    "gesso bench model.gguf -p 128,512,2048 -b 1,4": "Measures each prompt length with each batch.",
    "gesso bench --synthetic 26b-a4b:Q4_K_M:6 --profile": "Measures six layers of random weights, operation by"
    " operation. It needs no file.",
    "gesso bench model.gguf --clients 1,4,16": "Measures how fast an engine serves many requests at once.",
    "gesso bench model.gguf --json --output result.json": "Keeps the figures for other programs.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="measure a model's speed and memory",
        description="Measures how long a model takes to read a prompt (encode), to refine a canvas once (a denoising"
        " step) and to take the finished canvas into its cache (commit). It also measures how fast this machine copies"
        " memory and multiplies, and shows how close the model comes to that. There is one row for each combination of"
        " threads, prompt length and batch. Every canvas takes exactly --steps steps. With --clients or --rate it"
        " measures instead how an engine serves many requests at once.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=bench)
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a .gguf file or a Hugging Face folder")
    parser.add_argument(
        "--synthetic",
        metavar="SIZES:TYPES[:LAYERS]",
        help="measure a model of random weights, made in memory, instead of MODEL: for example 26b-a4b:Q4_K_M, or"
        " 26b-a4b:Q4_K_M:6 for its first 6 layers only; SIZES may also be a folder with a config.json",
    )
    work = parser.add_argument_group("what is measured")
    work.add_argument(
        "-p",
        "--prompt-tokens",
        type=list_of(integer(1)),
        default=[512],
        metavar="N,..",
        help="tokens of each prompt; default: 512",
    )
    work.add_argument(
        "-b",
        "--batch",
        type=list_of(integer(1)),
        metavar="N,..",
        help="sequences that run together; default: 1",
    )
    work.add_argument(
        "--steps", type=integer(1), default=16, metavar="N", help="denoising steps per canvas; default: 16"
    )
    work.add_argument(
        "-r",
        "--repetitions",
        type=integer(1),
        metavar="N",
        help="canvases to measure for each row; default: 5",
    )
    work.add_argument(
        "--profile",
        action="store_true",
        help="also show each operation of the model: its calls, time, bytes and arithmetic, and how close it comes to"
        " what the machine can do",
    )
    add_seed(work, "seed of random prompts, noise and weights")
    add_load(parser)
    machine = parser.add_argument_group("machine")
    add_device(machine)
    add_activations(machine)
    machine.add_argument(
        "-t",
        "--threads",
        type=list_of(thread_count),
        metavar="N,..",
        help="threads to run on; default: one per processor",
    )
    add_no_mmap(machine)
    machine.add_argument(
        "--copy-weights",
        action="store_true",
        help="also a GPU that shares the CPU's memory gets a copy of the weights; without it, it reads the mapped file",
    )
    output = parser.add_argument_group("output")
    formats = output.add_mutually_exclusive_group()
    formats.add_argument(
        "--json", action="store_true", help="print JSON, a list with one record per row, in place of Markdown tables"
    )
    formats.add_argument("--csv", action="store_true", help="print CSV in place of Markdown tables")
    output.add_argument("--output", metavar="FILE", help="write the result to FILE; default: standard output")
    output.add_argument(
        "--hash",
        choices=("sampled", "full", "none"),
        default="sampled",
        help="how the files of MODEL are hashed, so that the result says which model was measured: sampled (default)"
        " reads at most 2 MiB of each file, full reads all of it, none makes no hash",
    )


def add_load(parser: CommandParser) -> None:
    load = parser.add_argument_group("requests to an engine")
    load.add_argument(
        "--clients",
        type=list_of(integer(1, 65536)),  # each is a thread
        metavar="N,..",
        help="a row for each number of clients; a client sends its next request when its last one has ended",
    )
    load.add_argument(
        "--rate",
        type=list_of(positive_number),
        metavar="X,..",
        help="a row for each rate: so many requests per second arrive in the mean, at random times",
    )
    load.add_argument("--requests", type=integer(1), metavar="N", help="requests of each row, in all; default: 32")
    load.add_argument("--canvases", type=integer(1), metavar="N", help="canvases of each request; default: 4")
    load.add_argument(
        "--common",
        type=integer(0),
        metavar="N",
        help="tokens at the beginning of each prompt that are the same in all; default: 0",
    )


# The options of one kind of rows alone, with their defaults. The parser gives None, or False, where one is not given.
BATCH_DEFAULTS = {"batch": [1], "repetitions": 5, "profile": False}
LOAD_DEFAULTS = {"clients": [], "rate": [], "requests": 32, "canvases": 4, "common": 0}


def is_load(options: argparse.Namespace) -> bool:
    return bool(options.clients or options.rate)


def set_defaults(options: argparse.Namespace) -> None:
    for name in BATCH_DEFAULTS if is_load(options) else LOAD_DEFAULTS:
        if getattr(options, name):
            verb = "does not go with" if is_load(options) else "needs"
            options.usage_error(f"--{name} {verb} --clients or --rate")
    for name, default in (BATCH_DEFAULTS | LOAD_DEFAULTS).items():
        if getattr(options, name) is None:
            setattr(options, name, default)


def bench(options: argparse.Namespace) -> int:
    if (options.model is None) == (options.synthetic is None):
        options.usage_error("expected either MODEL or --synthetic")
    set_defaults(options)
    if options.output is not None:
        check_result_file(options.output)
    if options.model is None:
        subject = from_preset(options.synthetic, options.seed)
    else:
        subject = from_file(options.model, options.hash, mmap=options.mmap)
    if options.output is not None:
        check_not_a_source(Path(options.output), *subject.files)
    check_sizes(options, subject)
    if is_load(options):
        write_all(measure_loads(options, subject), LOAD_FORMATS, options)
    else:
        write_all(measure_all(options, subject), FORMATS, options)
    return 0


def write_all(
    records: Iterator[Measured], formats: Mapping[str, Callable[[list[Measured]], str]], options: argparse.Namespace
) -> None:
    done: list[Measured] = []
    try:
        for record in records:
            done.append(record)
    finally:  # after Ctrl-C, the rows that are complete are written
        if done:
            write(formats["json" if options.json else "csv" if options.csv else "md"](done), options.output)


def check_result_file(output: str) -> None:
    path = as_path(output)
    if not path.exists() or path.is_dir():
        check_output(path)
    elif not os.access(path, os.W_OK):  # it may be a pipe or a device, too
        raise PermissionError(f"{path}: cannot be written to")


def check_sizes(options: argparse.Namespace, subject: Subject) -> None:
    """Raises an error if a row does not fit the model's context or the free memory.

    The check comes first, because the rows may take hours.
    """
    config, prompt = subject.config, max(options.prompt_tokens)
    num_canvases = options.canvases if is_load(options) else 1
    longest = prompt + num_canvases * config.canvas_length
    if longest > config.max_position_embeddings:
        canvases = "a canvas" if num_canvases == 1 else f"{num_canvases} canvases"
        raise ArgumentError(
            f"--prompt-tokens: {prompt:,} tokens and {canvases} of {config.canvas_length} are more than the model's"
            f" context of {config.max_position_embeddings:,}"
        )
    if options.common >= min(options.prompt_tokens):
        raise ArgumentError(
            f"--common: expected less than the shortest prompt, of {min(options.prompt_tokens)} tokens, got"
            f" {options.common}"
        )
    check_memory(subject, max(options.batch), longest)
    if options.device == "cpu" or len(_native.devices()) == 1:  # on the CPU a model of the outline copies no weights
        _native.Model(subject.outline, options.device, 1, options.activations, None)


def write(text: str, path: str | None) -> None:
    if path is None:
        sys.stdout.write(text)
    else:
        Path(path).write_text(text, encoding="utf-8")
