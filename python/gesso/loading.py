"""gesso.load: from a path to a model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gesso import _native
from gesso.files.checkpoint import fill_checkpoint, outline
from gesso.files.hf.folder import read_checkpoint
from gesso.model import Model

MAX_THREADS = 4096  # csrc/core/thread_count.cpp


def load(
    path: str | os.PathLike[str],
    device: str = "auto",
    num_threads: int | None = None,
    *,
    activations: str = "auto",
    on_progress: Callable[[int, int], Any] | None = None,
) -> Model:
    """Loads a model from a .gguf file or from a Hugging Face checkpoint folder.

    On the CPU a file is mapped, not copied; a GPU gets a copy of the weights in its own memory, as stored.
    device: "cpu", "cuda" (the first GPU), "cuda:1"; "auto" takes a GPU if there is one, see `gesso.devices`.
    num_threads: at least 1; None means every processor this process may use, within the quota of its control group.
    activations: how products with weights round the activations they multiply. "int8": where the weight is stored in
    blocks of integers, to integers with one scale per 64 columns (on a GPU 32); elsewhere float32 on the CPU, bf16 on a
    GPU. "f32", on the CPU only: not at all; slower, and what to compare others with. "bf16", on a GPU only. "auto":
    "int8" on the CPU, on a GPU the faster of its two. Whichever it is, results do not depend on threads or batch.
    on_progress(bytes_done, bytes_in_all): called while weights go to a GPU.
    FileNotFoundError and other OSErrors for what cannot be opened, ValueError (`gesso.FormatError` for file content,
    `gesso.ArgumentError` for options) with the key, tensor or field at fault, MemoryError with the bytes that are
    needed and free, `gesso.CudaError` for what the GPU's driver refuses.
    """
    check_num_threads(num_threads)
    return Model(_native.Model(open_checkpoint(path), device, num_threads or 0, activations, on_progress))


def check_num_threads(num_threads: int | None) -> None:
    if num_threads is not None and (isinstance(num_threads, bool) or not isinstance(num_threads, int)):
        raise TypeError(f"num_threads: expected an int or None, got {num_threads!r}")
    if num_threads is not None and not 1 <= num_threads <= MAX_THREADS:
        raise _native.ArgumentError(f"num_threads: expected 1 to {MAX_THREADS}, got {num_threads}")


def open_checkpoint(path: str | os.PathLike[str], *, with_values: bool = True) -> _native.Checkpoint:
    """Metadata and tensors of a .gguf file or a Hugging Face folder, before anything is made of them.

    with_values: False reads only a folder's headers, see `outline`. A file's values are never read here.
    """
    path = Path(path)
    if not path.is_dir():
        return _native.Checkpoint.open(os.fsencode(path))
    source = read_checkpoint(path)
    tensors = list(source.tensors())
    return (
        fill_checkpoint(source.metadata, tensors, lambda x: x.data)
        if with_values
        else outline(source.metadata, tensors)
    )
