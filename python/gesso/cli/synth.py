"""`gesso synth`: a model of random weights, to measure with."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gesso.display import show_bytes
from gesso.gguf_writer import write_gguf
from gesso.hf_config import ARCHITECTURE
from gesso.hf_export import size_label
from gesso.partial_file import check_target, unwind_on_sigterm
from gesso.presets import PRESETS, plan_types
from gesso.progress import Progress, show_time
from gesso.synth import synth_metadata, synth_tensors, tensor_shapes
from gesso.synth_gemma4 import GEMMA4, gemma4_metadata, gemma4_tensors
from gesso.tensor import Tensor

CONFIGS = Path(__file__).parent / "models"
CONFIG_NAMES = sorted(file.parent.name for file in CONFIGS.glob("*/config.json"))


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "synth",
        help="make a model of random weights",
        description="Writes a GGUF file of random weights, which computes as a real one does and says nothing: for"
        " measuring speed and memory.",
    )
    parser.set_defaults(command=synth)
    parser.add_argument("target", metavar="OUT", help="the .gguf file to write; it appears when it is complete")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--preset", choices=CONFIG_NAMES, default="26b-a4b", help="the model's sizes; default: 26b-a4b")
    model.add_argument("--config", metavar="PATH", help="the sizes of another model: its config.json or its folder")
    parser.add_argument(
        "--quant",
        type=str.upper,
        choices=list(PRESETS),
        default="Q4_K_M",
        metavar="P",
        help=f"a mix of types: {', '.join(PRESETS)}; default: Q4_K_M",
    )
    parser.add_argument("--layers", type=int, metavar="N", help="the first N layers only; default: all")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0; the same seed, the same file")
    parser.add_argument(
        "--as",
        dest="architecture",
        choices=[ARCHITECTURE, GEMMA4],
        default=ARCHITECTURE,
        help="gemma4: the same weights as a file for llama.cpp, to compare with; gesso does not run it",
    )


def synth(options: argparse.Namespace) -> int:
    start = time.monotonic()
    check_target(options.target)
    if options.seed < 0:
        raise ValueError(f"--seed: expected at least 0, got {options.seed}")
    metadata, tensors = make_model(config_directory(options), options.quant, options.layers, options.seed)
    if options.architecture == GEMMA4:
        metadata, tensors = gemma4_metadata(metadata), gemma4_tensors(metadata, tensors)
    with unwind_on_sigterm(), Progress(options.target) as progress:
        write_gguf(options.target, metadata, tensors, on_progress=progress.update)
    size, took = Path(options.target).stat().st_size, show_time(time.monotonic() - start)
    print(f"{options.target}: {show_bytes(size)}, {len(tensors)} tensors, in {took}")
    return 0


def config_directory(options: argparse.Namespace) -> Path:
    if options.config is None:
        return CONFIGS / options.preset
    path = Path(options.config)
    if path.is_dir():
        return path
    if path.name != "config.json":
        raise ValueError(f"{path}: expected a folder or a file with the name config.json")
    return path.parent


def make_model(directory: Path, quant: str, num_layers: int | None, seed: int) -> tuple[dict[str, Any], list[Tensor]]:
    """Metadata and tensors, whose values are drawn when they are written."""
    metadata, rotated_pairs = synth_metadata(directory, num_layers)
    shapes = tensor_shapes(metadata)
    named = [SimpleNamespace(name=name, shape=shape) for name, shape in shapes.items()]
    types = plan_types(quant, named, num_layers=metadata[f"{ARCHITECTURE}.block_count"])
    tensors = synth_tensors(shapes, types, rotated_pairs, seed)
    metadata["general.file_type"] = PRESETS[quant].file_type
    metadata["general.size_label"] = size_label(tensors, metadata[f"{ARCHITECTURE}.expert_count"])
    return metadata, tensors
