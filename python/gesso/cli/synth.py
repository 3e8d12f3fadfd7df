"""`gesso synth`: writes a model of random weights, for measuring speed and memory."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from gesso import ArgumentError
from gesso.cli.parts.command_parser import CommandParser, add_json, add_seed, integer
from gesso.files.checkpoint import ARCHITECTURE
from gesso.files.gguf_writer import write_gguf
from gesso.files.partial_file import check_target, unwind_on_sigterm
from gesso.files.presets import PRESETS
from gesso.measure.text import json_text, show_bytes, show_time
from gesso.synth.gemma4 import GEMMA4, gemma4_metadata, gemma4_tensors
from gesso.synth.model import CONFIG_NAMES, CONFIGS, make_model
from gesso.terminal.progress import Progress

EXAMPLES = {
    "gesso synth model.gguf": "Makes the 26B model in Q4_K_M: 16.8 GB.",
    "gesso synth small.gguf --layers 6 --preset Q8_0": "Makes its first six layers.",
    "gesso synth twin.gguf --as gemma4": "Makes the same weights as a file that llama.cpp runs.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "synth",
        help="make a model of random weights",
        description="Writes a GGUF file of random weights, for measuring speed and memory without the released weights."
        " It computes as much as a real model of these sizes, and the text that it writes is nonsense.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=synth)
    parser.add_argument(
        "target", metavar="OUT", help="the .gguf file to write; it gets this name only when it is complete"
    )
    model = parser.add_mutually_exclusive_group()
    model.add_argument(
        "--sizes", choices=CONFIG_NAMES, default="26b-a4b", help="the model whose sizes are used; default: 26b-a4b"
    )
    model.add_argument(
        "--config", metavar="PATH", help="use the sizes of another model: PATH is its config.json or its folder"
    )
    parser.add_argument(
        "--preset",
        type=str.upper,
        choices=list(PRESETS),
        default="Q4_K_M",
        metavar="P",
        help=f"which types the weights get: {', '.join(PRESETS)}; default: Q4_K_M",
    )
    parser.add_argument(
        "--layers", type=integer(1), metavar="N", help="make only the first N layers; default: all layers"
    )
    add_seed(parser, "seed of the random weights: the same seed gives the same file")
    parser.add_argument(
        "--as",
        dest="architecture",
        choices=[ARCHITECTURE, GEMMA4],
        default=ARCHITECTURE,
        help="gemma4 writes the same weights as a file that llama.cpp runs, to compare speeds; gesso cannot run it;"
        " default: diffusion-gemma",
    )
    add_json(parser)


def synth(options: argparse.Namespace) -> int:
    start = time.monotonic()
    check_target(options.target)
    metadata, tensors = make_model(config_directory(options), options.preset, options.layers, options.seed)
    if options.architecture == GEMMA4:
        metadata, tensors = gemma4_metadata(metadata), gemma4_tensors(metadata, tensors)
    with unwind_on_sigterm(), Progress(options.target) as progress:
        write_gguf(options.target, metadata, tensors, on_progress=progress.update)
    size, seconds = Path(options.target).stat().st_size, time.monotonic() - start
    report = {"path": options.target, "bytes": size, "tensors": len(tensors), "seconds": seconds}
    summary = f"{options.target}: {show_bytes(size)}, {len(tensors)} tensors, in {show_time(seconds)}"
    print(json_text(report) if options.json else summary)
    return 0


def config_directory(options: argparse.Namespace) -> Path:
    if options.config is None:
        return CONFIGS / str(options.sizes)
    path = Path(options.config)
    if path.is_dir():
        return path
    if path.name != "config.json":
        raise ArgumentError(f"{path}: expected a folder or a file with the name config.json")
    return path.parent
