"""gesso.load: opens a file or a folder and makes a model of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gesso import _native
from gesso.files.callback import plain_callback
from gesso.files.checkpoint import fill_checkpoint, outline
from gesso.files.hf.folder import read_checkpoint
from gesso.model import Model

MAX_THREADS = 4096  # the limit in csrc/core/thread_count.cpp


def load(
    path: str | os.PathLike[str],
    device: str = "auto",
    num_threads: int | None = None,
    *,
    activations: str = "auto",
    chat_template: str | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> Model:
    """Loads a model from a .gguf file or from a Hugging Face checkpoint folder.

    On the CPU, a file is mapped into memory and not copied. On a GPU, the weights are copied into the GPU's memory, in
    the types in which they are stored.

    device: "cpu", "cuda" (the first GPU), "cuda:1" (the second GPU) or "auto". "auto" takes a GPU if there is one.
    `gesso.devices()` lists the devices.

    num_threads: 1 to 4096. None takes as many threads as the process may use processors; a CPU quota of its control
    group counts as fewer processors.

    activations: how the inputs of matrix products (the activations) are rounded before they are multiplied with
    weights. Results do not depend on the number of threads or on the batch, whichever it is.
    - "int8": where the weight is stored in blocks of integers, inputs become 8-bit integers with one scale per 64
      columns on the CPU, per 32 columns on a GPU. Other weights are multiplied in float32 on the CPU, and as with
      "bf16" on a GPU.
    - "f32": inputs are not rounded. It is slower, works on the CPU only, and is what other results are compared with.
    - "bf16": inputs are rounded to bf16. It works on a GPU only.
    - "auto": "int8" on the CPU; on a GPU the faster one of "int8" and "bf16".

    chat_template: the source of a chat template to use instead of the checkpoint's.

    on_progress(bytes_done, bytes_in_all) is called while the weights are copied to a GPU.

    Raises FileNotFoundError or another OSError when a file cannot be opened; `gesso.FormatError`, a ValueError, when
    the content of a file is wrong (the message names the key, tensor or field); `gesso.ArgumentError`, a ValueError,
    when an argument is wrong; MemoryError with the bytes that are needed and free; `gesso.CudaError` when the GPU's
    driver reports an error.
    """
    check_num_threads(num_threads)
    progress = plain_callback("on_progress", on_progress)
    native = _native.Model(open_checkpoint(path), device, num_threads or 0, activations, progress)
    return Model(native, chat_template)


def check_num_threads(num_threads: int | None) -> None:
    if num_threads is not None and (isinstance(num_threads, bool) or not isinstance(num_threads, int)):
        raise TypeError(f"num_threads: expected an int or None, got {num_threads!r}")
    if num_threads is not None and not 1 <= num_threads <= MAX_THREADS:
        raise _native.ArgumentError(f"num_threads: expected 1 to {MAX_THREADS}, got {num_threads}")


def open_checkpoint(path: str | os.PathLike[str], *, with_values: bool = True) -> _native.Checkpoint:
    """Opens a .gguf file or a Hugging Face folder: its metadata and its tensors, as they are stored.

    with_values: False leaves the values of a folder unread and puts zeros in their place, see `outline`. The values of
    a .gguf file are mapped and not read here.
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
