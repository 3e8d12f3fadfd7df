"""`gesso inspect`: shows what a checkpoint holds and how much memory it needs, or how two checkpoints differ."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.cli.parts import check, comparison
from gesso.cli.parts.command_parser import CommandParser, add_json, add_no_mmap
from gesso.config import Config
from gesso.files.checkpoint import TypeCount, count_types
from gesso.files.locate import locate
from gesso.loading import naming_fields_of, open_checkpoint
from gesso.measure.text import columns, json_text, natural_order, show_bytes, visible

MAX_ITEMS = 6  # of a longer list only the first items are shown
MAX_CHARACTERS = 72  # of a longer string only the beginning is shown
CONTEXTS = (1_000, 10_000, 100_000)  # the size of the cache is shown for these numbers of tokens


class Shortened(TypedDict):
    """A list or a string of which only the beginning is shown."""

    length: int
    first: str | Sequence[Shown]


Shown = bool | int | float | str | None | Sequence["Shown"] | Shortened


class TensorEntry(TypedDict):
    """One tensor of the checkpoint."""

    name: str
    type: str
    shape: list[int]
    bytes: int


class SessionMemory(TypedDict, total=False):
    """What a session takes beyond the weights. It is empty for a checkpoint without a readable configuration."""

    scratch: int
    soft_embedding_per_sequence: int
    kv_cache_per_sequence: dict[int, int]  # length in tokens -> bytes


class Memory(SessionMemory):
    """What running the model takes, in bytes."""

    weights: int


class Tensors(TypedDict, total=False):
    """What --tensors adds."""

    tensors: list[TensorEntry]


class Report(Tensors):
    """Everything that `gesso inspect --json` prints."""

    path: str
    architecture: Shown
    file_bytes: int | None
    metadata: dict[str, Shown]
    types: dict[str, TypeCount]
    config: dict[str, Shown] | None
    problem: str | None
    memory: Memory


EXAMPLES = {
    "gesso inspect mini": "Shows metadata, tensors, configuration and the memory needed.",
    "gesso inspect model.gguf --tensors": "Lists every tensor, too.",
    "gesso inspect --check model.gguf": "Finds weights that are NaN or infinite.",
    "gesso inspect --compare bf16.gguf q4.gguf": "Shows how far two models differ, in their tensors and predictions.",
    "gesso inspect mini --json | head -20": "Prints JSON for other programs.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "inspect",
        help="show what a model file holds, or compare two",
        description="Shows the metadata, tensors and configuration of a checkpoint and the memory that it needs, even"
        " if gesso cannot run it. With --compare it shows how two checkpoints differ.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=inspect)
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a .gguf file or a Hugging Face folder")
    parser.add_argument("--tensors", action="store_true", help="list every tensor")
    parser.add_argument(
        "--check",
        action="store_true",
        help="decode all weights and list those that are NaN or infinite; the exit status is 1 if there are any",
    )
    add_json(parser)
    add_no_mmap(parser)
    comparison.add_arguments(parser)


def inspect(options: argparse.Namespace) -> int:
    if (options.model is None) == (options.compare is None):
        options.usage_error("expected either MODEL or --compare A B")
    if options.compare is not None and options.check:
        options.usage_error("--check: expected MODEL, got --compare")
    if options.compare is not None:
        return comparison.compare(options)
    if options.check:
        return check.check(options)
    checkpoint = open_checkpoint(options.model, with_values=False, mmap=options.mmap)
    report = describe(options.model, checkpoint, options.tensors)
    if options.json:
        print(json_text({**report, "path": str(locate(options.model))}))
    else:
        print(visible("\n".join(report_lines(report))))
    return 0


def describe(path: str, checkpoint: _native.Checkpoint, with_tensors: bool) -> Report:
    """Returns everything that `gesso inspect` finds out, in types that JSON has."""
    tensors = checkpoint.tensors
    weights_bytes = sum(tensor.num_bytes for tensor in tensors)
    config, problem = None, None
    try:
        with naming_fields_of(path):
            config = _native.read_config(checkpoint)
            _native.Model(checkpoint, "cpu")
    except (ValueError, MemoryError) as error:
        problem = str(error)
    metadata = checkpoint.metadata
    needed = memory_needed(config) if config else SessionMemory()
    report: Report = {
        "path": path,
        "architecture": shorten(metadata.get("general.architecture")),
        "file_bytes": checkpoint.file_bytes or None,
        "metadata": {key: shorten(value) for key, value in metadata.items()},
        "types": count_types(tensors),
        "config": dataclasses.asdict(Config.from_native(config)) if config else None,
        "problem": problem,
        "memory": {"weights": weights_bytes, **needed},
    }
    if with_tensors:
        report["tensors"] = [
            {"name": x.name, "type": x.type, "shape": x.shape, "bytes": x.num_bytes}
            for x in sorted(tensors, key=lambda x: natural_order(x.name))
        ]
    return report


def shorten(value: Shown | npt.NDArray[np.generic]) -> Shown:
    """Shortens a metadata value: a long list or string becomes its length and its beginning."""
    if isinstance(value, np.ndarray):
        return _shorten_list(value[:MAX_ITEMS].tolist(), len(value))
    if isinstance(value, list):
        return _shorten_list(value[:MAX_ITEMS], len(value))
    if isinstance(value, str) and len(value) > MAX_CHARACTERS:
        return {"length": len(value), "first": value[:MAX_CHARACTERS]}
    if isinstance(value, float):  # most numbers are float32; 7 digits show 0.1 instead of 0.10000000149
        return float(f"{value:.7g}") if math.isfinite(value) else str(value)
    return value


def _shorten_list(first: Sequence[Shown], length: int) -> Shown:
    items = [shorten(item) for item in first]
    return items if length <= MAX_ITEMS else {"length": length, "first": items}


def memory_needed(config: _native.ModelConfig) -> SessionMemory:
    """Bytes beyond the weights: fixed scratch, and per sequence the soft embedding and (at the most) the cache."""
    full = config.max_position_embeddings
    contexts = [length for length in CONTEXTS if length < full] + [full]
    return {
        "scratch": _native.scratch_bytes(config),
        "soft_embedding_per_sequence": 4 * config.canvas_length * config.hidden_size,
        "kv_cache_per_sequence": {length: _native.cache_bytes(config, length) for length in contexts},
    }


def report_lines(report: Report) -> list[str]:
    """Returns the lines of the report for people."""
    size = f", {show_bytes(report['file_bytes'])}" if report["file_bytes"] else ""
    lines = [f"{report['path']}: {report['architecture'] or 'unknown architecture'}{size}"]
    lines += ["", "Metadata", *columns([(key, show_value(value)) for key, value in report["metadata"].items()])]
    lines += ["", "Tensors", *type_lines(report["types"])]
    if "tensors" in report:
        rows = [(x["name"], x["type"], str(x["shape"]), show_bytes(x["bytes"])) for x in report["tensors"]]
        lines += ["", *columns(rows, right=(3,))]
    if report["problem"] is not None:
        lines += ["", f"gesso cannot run this: {report['problem']}"]
    if report["config"] is not None:
        values = {name: shorten(list(x) if isinstance(x, tuple) else x) for name, x in report["config"].items()}
        lines += ["", "Configuration", *columns([(name, show_value(value)) for name, value in values.items()])]
    return [*lines, "", "Memory", *memory_lines(report["memory"])]


def type_lines(types: dict[str, TypeCount]) -> list[str]:
    rows = [(name, entry["count"], entry["elements"], entry["bytes"]) for name, entry in types.items()]
    _, counts, elements, sizes = zip(*rows, strict=True) if rows else ((), (), (), ())
    rows.append(("total", sum(counts), sum(elements), sum(sizes)))
    cells = [(name, f"{count:,}", f"{number:,}", show_bytes(size)) for name, count, number, size in rows]
    return columns([("type", "count", "elements", "size"), *cells], right=(1, 2, 3))


def memory_lines(memory: Memory) -> list[str]:
    rows = [("weights", show_bytes(memory["weights"]))]
    if "scratch" in memory:
        rows += [
            ("scratch, once", show_bytes(memory["scratch"])),
            ("soft embedding, per sequence", show_bytes(memory["soft_embedding_per_sequence"])),
        ]
        for length, size in memory["kv_cache_per_sequence"].items():
            rows.append((f"key-value cache of {length:,} tokens, per sequence", show_bytes(size)))
    return columns(rows, right=(1,))


def show_value(value: Shown) -> str:
    if isinstance(value, dict):
        first, length = value["first"], value["length"]
        if isinstance(first, str):
            return f"{show_value(first)}... ({length:,} characters)"
        return f"[{', '.join(map(show_value, first))}, ...] ({length:,} entries)"
    return json.dumps(value, ensure_ascii=False)
