"""gesso.load: from a path to a model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from gesso import _native, hf
from gesso.model import Model

MAX_THREADS = 4096  # csrc/api/thread_count.cpp


def load(path: str | os.PathLike[str], device: str = "auto", num_threads: int | None = None) -> Model:
    """Loads a model from a .gguf file (mapped, not copied) or from a Hugging Face checkpoint folder.

    device: "auto" or "cpu". num_threads: at least 1; None means every processor this process may use.
    FileNotFoundError and other OSErrors for what cannot be opened, ValueError (`gesso.FormatError` for file content,
    `gesso.ArgumentError` for options) with the key, tensor or field at fault.
    """
    if num_threads is not None and (isinstance(num_threads, bool) or not isinstance(num_threads, int)):
        raise TypeError(f"num_threads: expected an int or None, got {num_threads!r}")
    if num_threads is not None and not 1 <= num_threads <= MAX_THREADS:
        raise _native.ArgumentError(f"num_threads: expected 1 to {MAX_THREADS}, got {num_threads}")
    return Model(_native.Model(open_checkpoint(path), device, num_threads or 0))


def open_checkpoint(path: str | os.PathLike[str]) -> _native.Checkpoint:
    """Metadata and tensors of a .gguf file or a Hugging Face folder, before anything is made of them."""
    path = Path(path)
    return _from_folder(path) if path.is_dir() else _native.Checkpoint.open(os.fsencode(path))


def _from_folder(directory: Path) -> _native.Checkpoint:
    source = hf.read_checkpoint(directory)
    checkpoint = _native.Checkpoint()
    for key, value in source.metadata.items():
        checkpoint.set(key, value)
    for tensor in source.tensors():
        data = tensor.data
        checkpoint.add_tensor(tensor.name, tensor.dtype, tensor.shape, data.reshape(-1).view(np.uint8), data)
    return checkpoint
