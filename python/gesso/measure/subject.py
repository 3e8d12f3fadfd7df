"""The models that `gesso bench` measures: one from a file, or one of random weights that are only in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gesso import _native
from gesso._native import ArgumentError
from gesso.files.checkpoint import count_types, fill_checkpoint, outline
from gesso.files.gguf_writer import Stream
from gesso.files.locate import locate
from gesso.files.presets import PRESETS
from gesso.files.regular_file import open_regular
from gesso.files.tensor import Array, Tensor
from gesso.loading import naming_fields_of, open_checkpoint
from gesso.measure import record_types
from gesso.measure.memory import available_bytes
from gesso.measure.text import show_bytes
from gesso.synth.model import CONFIG_NAMES, CONFIGS, make_model

SPARE_BYTES = 300_000_000  # for the interpreter, its packages and the pools that random weights are picked from
HEAD_BYTES, NUM_SAMPLES, SAMPLE_BYTES = 1 << 20, 256, 4096  # a sampled hash reads these parts of a file: 2 MiB
SAMPLED = "sha256 of the size, the first MiB and 256 samples of 4 KiB"


@dataclass(frozen=True)
class Subject:
    """A model to measure: how records describe it, and a function that opens or makes its weights."""

    description: record_types.Subject
    config: _native.ModelConfig
    outline: _native.Checkpoint  # has the same tensors, but perhaps zeros for values
    own_bytes: int  # the memory that the weights take; 0 if they are in a mapped file
    files: tuple[Path, ...]  # that the weights come from
    open: Callable[[Callable[[int, int], object]], _native.Checkpoint]  # calls its argument with bytes done and in all


def from_file(path: str, hash_method: str, *, mmap: bool = True) -> Subject:
    checkpoint = open_checkpoint(path, with_values=False)
    with naming_fields_of(path):
        config = _native.read_config(checkpoint)
    files = _files(Path(path), checkpoint)
    method, digest = (None, None) if hash_method == "none" else hash_files(files, hash_method == "full")
    description: record_types.Subject = {
        **_describe(checkpoint),
        "name": str(checkpoint.metadata.get("general.name") or Path(path).stem),
        "path": str(locate(path)),
        "synthetic": None,
        "file_bytes": sum(file.stat().st_size for file in files),
        "hash": digest,
        "hash_method": method,
    }
    own_bytes = 0 if mmap else description["weight_bytes"]
    return Subject(description, config, checkpoint, own_bytes, files, lambda _: open_checkpoint(path, mmap=mmap))


def from_preset(spec: str, seed: int) -> Subject:
    """Makes a model of random weights.

    spec: "26b-a4b:Q4_K_M", or "26b-a4b:Q4_K_M:6" for its first 6 layers. A folder with a config.json may stand in place
    of "26b-a4b".
    """
    directory, quant, num_layers = parse_spec(spec)
    metadata, tensors = make_model(directory, quant, num_layers, seed)
    checkpoint = outline(metadata, tensors)
    description: record_types.Subject = {
        **_describe(checkpoint),
        "name": directory.name,
        "path": None,
        "synthetic": spec,
        "file_bytes": None,
        "hash": None,
        "hash_method": None,
    }
    total = sum(tensor.num_bytes for tensor in tensors)

    def make(on_progress: Callable[[int, int], object]) -> _native.Checkpoint:
        done = 0

        def values(tensor: Tensor) -> Array:
            nonlocal done
            data = _values(tensor)
            on_progress(done := done + tensor.num_bytes, total)
            return data

        return fill_checkpoint(metadata, tensors, values)

    return Subject(description, _native.read_config(checkpoint), checkpoint, total, (), make)


def parse_spec(spec: str) -> tuple[Path, str, int | None]:
    """Returns the folder of the configuration, the preset of types, and the number of layers or None for all."""
    parts = spec.split(":")
    num_layers = int(parts.pop()) if len(parts) > 2 and parts[-1].isdecimal() else None
    name, quant = ":".join(parts[:-1]), parts[-1].upper()
    if not name:
        raise ArgumentError(
            f"--synthetic: expected SIZES:TYPES or SIZES:TYPES:LAYERS, such as 26b-a4b:Q4_K_M, got {spec}"
        )
    if quant not in PRESETS:
        raise ArgumentError(f"--synthetic {spec}: expected one of {', '.join(PRESETS)}, got {parts[-1]}")
    if name in CONFIG_NAMES:
        return CONFIGS / name, quant, num_layers
    if not (Path(name) / "config.json").is_file():
        raise ArgumentError(
            f"--synthetic {spec}: expected {', '.join(CONFIG_NAMES)} or a folder with a config.json, got {name}"
        )
    return Path(name), quant, num_layers


def check_memory(subject: Subject, batch: int, length: int) -> None:
    """Raises MemoryError if a session of `batch` sequences of `length` tokens does not fit into the free memory."""
    config = subject.config
    session = _native.scratch_bytes(config) + batch * _native.cache_bytes(config, length)
    needed, free = subject.own_bytes + session + SPARE_BYTES, available_bytes()
    if free is not None and needed > free:
        weights = f"{show_bytes(subject.own_bytes)} for weights and " if subject.own_bytes else ""
        raise MemoryError(
            f"needs {show_bytes(needed)} ({weights}{show_bytes(session)} for {batch} x {length:,} tokens),"
            f" {show_bytes(free)} are free"
        )


def hash_files(files: Iterable[Path], is_full: bool) -> tuple[str, str]:
    """Hashes files, one after the other. Returns the method's name and the hash."""
    digest = hashlib.sha256()
    for file in files:
        for chunk in _all_chunks(file) if is_full else _sampled_chunks(file):
            digest.update(chunk)
    return "sha256" if is_full else SAMPLED, digest.hexdigest()


def _files(path: Path, checkpoint: _native.Checkpoint) -> tuple[Path, ...]:
    """The .gguf file or its parts, or the files of a folder in the order of their names."""
    path = locate(path)
    if not path.is_dir():
        return tuple(Path(os.fsdecode(file)) for file in checkpoint.files)
    return tuple(sorted(file for file in path.iterdir() if file.suffix in (".json", ".safetensors")))


def _all_chunks(path: Path) -> Iterator[bytes]:
    with open_regular(path) as file:
        while chunk := file.read(1 << 22):
            yield chunk


def _sampled_chunks(path: Path) -> Iterator[bytes]:
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        yield size.to_bytes(8, "little")
        yield file.read(HEAD_BYTES)
        for i in range(NUM_SAMPLES if size > HEAD_BYTES else 0):
            file.seek(HEAD_BYTES + i * max(0, size - HEAD_BYTES - SAMPLE_BYTES) // (NUM_SAMPLES - 1))
            yield file.read(SAMPLE_BYTES)


def _describe(checkpoint: _native.Checkpoint) -> record_types.Weights:
    types = count_types(checkpoint.tensors)
    return {
        "num_layers": _native.read_config(checkpoint).num_hidden_layers,
        "weight_bytes": sum(entry["bytes"] for entry in types.values()),
        "types": {name: entry["bytes"] for name, entry in types.items()},
    }


def _values(tensor: Tensor) -> Array:
    if not isinstance(tensor, Stream):
        return tensor.data
    data = np.empty(tensor.num_bytes, np.uint8)
    first = 0
    for chunk in tensor.make_chunks():
        data[first : first + chunk.nbytes] = chunk
        first += chunk.nbytes
    return data
