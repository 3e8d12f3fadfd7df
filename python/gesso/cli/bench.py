"""`gesso bench`: measures how fast a model runs on this machine, and how fast the machine could run it at most."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from gesso import ArgumentError, _native
from gesso.cli.command_parser import CommandParser, add_no_mmap, integer, list_of, seed, thread_count
from gesso.cli.progress import Progress
from gesso.files.partial_file import check_not_a_source, check_output
from gesso.files.regular_file import as_path
from gesso.measure.bench import Setting, measure
from gesso.measure.floor import Ceilings, measure_ceilings
from gesso.measure.record import make_origin, make_record
from gesso.measure.record_types import Record
from gesso.measure.report import to_csv, to_json, to_markdown
from gesso.measure.subject import Subject, check_memory, from_file, from_preset
from gesso.model import Model

FORMATS = {"md": to_markdown, "json": to_json, "csv": to_csv}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="measure a model's speed and memory",
        description="Measures how long a model takes to read a prompt (encode), to refine a canvas once (a denoising"
        " step) and to take the finished canvas into its cache (commit). It also measures how fast this machine copies"
        " memory and multiplies, and shows how close the model comes to that. There is one row for each combination of"
        " threads, prompt length and batch. Every canvas takes exactly --steps steps.",
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
        "--prompt",
        type=list_of(integer(1)),
        default=[512],
        metavar="N,..",
        help="tokens of each prompt; default: 512",
    )
    work.add_argument(
        "-b",
        "--batch",
        type=list_of(integer(1)),
        default=[1],
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
        default=5,
        metavar="N",
        help="canvases to measure for each row; default: 5",
    )
    work.add_argument(
        "--profile",
        action="store_true",
        help="also show each operation of the model: its calls, time, bytes and arithmetic, and how close it comes to"
        " what the machine can do",
    )
    work.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="seed of random prompts, noise and weights; default: 0"
    )
    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--device", default="auto", help="where to run: cpu, cuda, cuda:1, or auto (default): a GPU if there is one"
    )
    machine.add_argument(
        "--activations",
        default="auto",
        help="how inputs of matrix products are rounded: f32, bf16, int8 or auto (default), see `gesso run -h`",
    )
    machine.add_argument(
        "-t",
        "--threads",
        type=list_of(thread_count),
        metavar="N,..",
        help="threads to run on; default: one per processor",
    )
    add_no_mmap(machine)
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o", "--format", choices=FORMATS, default="md", help="Markdown tables (md, default), json or csv"
    )
    output.add_argument("--output", metavar="FILE", help="write the result to FILE; default: standard output")
    output.add_argument(
        "--hash",
        choices=("sampled", "full", "none"),
        default="sampled",
        help="how the files of MODEL are hashed, so that the result says which model was measured: sampled (default)"
        " reads at most 2 MiB of each file, full reads all of it, none makes no hash",
    )


def bench(options: argparse.Namespace) -> int:
    if (options.model is None) == (options.synthetic is None):
        options.usage_error("expected either MODEL or --synthetic")
    if options.output is not None:
        check_result_file(options.output)
    if options.model is None:
        subject = from_preset(options.synthetic, options.seed)
    else:
        subject = from_file(options.model, options.hash, mmap=options.mmap)
    if options.output is not None:
        check_not_a_source(Path(options.output), *subject.files)
    check_sizes(options, subject)
    records: list[Record] = []
    try:
        for record in measure_all(options, subject):
            records.append(record)
    finally:  # after Ctrl-C, the rows that are complete are written
        if records:
            write(FORMATS[options.format](records), options.output)
    return 0


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
    config = subject.config
    longest = max(options.prompt) + config.canvas_length
    if longest > config.max_position_embeddings:
        raise ArgumentError(
            f"--prompt: {max(options.prompt):,} tokens and a canvas of {config.canvas_length} are more than the model's"
            f" context of {config.max_position_embeddings:,}"
        )
    check_memory(subject, max(options.batch), longest)
    if options.device == "cpu" or len(_native.devices()) == 1:  # on the CPU a model of the outline copies no weights
        _native.Model(subject.outline, options.device, 1, options.activations, None)


def measure_all(options: argparse.Namespace, subject: Subject) -> Iterator[Record]:
    settings = [
        Setting(prompt, batch, options.steps, options.repetitions, options.profile, options.seed)
        for prompt, batch in product(options.prompt, options.batch)
    ]
    threads = options.threads or [0]
    with Progress("weights") as progress:
        checkpoint = subject.open(progress.update)
    origin = make_origin(subject.description, ["gesso", *options.arguments])
    total, done = len(threads) * len(settings) * (options.repetitions + 1), 0
    with Progress("bench", "runs") as progress:
        for num_threads in threads:
            model = Model(_native.Model(checkpoint, options.device, num_threads, options.activations, None))
            ceilings = None
            for setting in settings:
                title = f"{model.num_threads} threads, prompt {setting.prompt_tokens}, batch {setting.batch}"
                first = done

                def show(num_runs: int, first: int = first, title: str = title) -> None:
                    progress.update(first + num_runs, total, title)

                show(0)
                found = measure(model, setting, show)
                done += options.repetitions + 1
                # The ceilings are measured after the first row: while the file is still being read, they would come
                # out too low.
                if ceilings is None:
                    ceilings = measure_ceilings(model.num_threads) if model.device == "cpu" else Ceilings()
                yield make_record(origin, model, setting, found, ceilings)


def write(text: str, path: str | None) -> None:
    if path is None:
        sys.stdout.write(text)
    else:
        Path(path).write_text(text, encoding="utf-8")
