"""gesso.load: opens a file or a folder and makes a model of it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from gesso import _native
from gesso.arguments import as_bool, as_str
from gesso.files.callback import plain_callback
from gesso.files.gguf_reader import open_gguf
from gesso.files.locate import find_cached, locate
from gesso.files.regular_file import AnyPath
from gesso.hub.names import name_and_pattern, parse_name
from gesso.model import Model
from gesso.notebook.progress import reporting


def load(
    path: AnyPath,
    device: str = "auto",
    num_threads: int | None = None,
    *,
    activations: str = "auto",
    exact_soft_embedding: bool = False,
    chat_template: str | None = None,
    on_progress: Callable[[int, int], object] | None = None,
    progress: bool | None = None,
    mmap: bool = True,
    copy_weights: bool = False,
    download: bool = False,
) -> Model:
    """Loads a model from a .gguf file or from a Hugging Face checkpoint folder, or one that comes with the package.

    Of a split GGUF file (model-00001-of-00003.gguf and so on) `path` may be any part. `~` is not expanded.
    A folder with one .gguf file, and a model's folder in a hub cache (models--ORGANISATION--NAME), serve as well.
    A name that no file or folder has, such as "sudoku-6x6", is that of a model of the package. With a slash, as in
    "org/name" or "org/name/model.gguf", it is that of a model in the cache of a Hugging Face hub. `gesso pull` brings
    it there; the extra gesso[hub] finds it.

    download: True downloads "org/name" if it is not in the cache, which may be many GB. Nothing else downloads.
    gesso.ArgumentError if the repository has several models; "org/name/model.gguf" then says which one.

    On the CPU, a file is mapped into memory and not copied. On a GPU, the weights are copied into the GPU's memory, in
    the types in which they are stored. A GPU that shares the CPU's memory reads the mapped file, too.

    mmap: True maps the files, so loading takes no time, and processes share the memory. Nobody may change the files as
    long as the model lives: if one is cut off, the system ends the process (SIGBUS); if one is written to, the weights
    change. A new file that takes the name of the old one changes nothing. False reads the files into memory, which
    takes as much memory as the weights have bytes. What happens to the files afterwards does not matter. A file that is
    cut off while it is read raises OSError.

    device: "cpu", "cuda" (the first GPU), "cuda:1" (the second GPU) or "auto". "auto" takes a GPU if there is one.
    `gesso.devices()` lists the devices. Where "auto" takes the CPU although there is a GPU, for example because the
    driver is too old, a RuntimeWarning says why, as `gesso.gpu_problem()` does.

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

    exact_soft_embedding: whether all tokens are in the soft embedding, which a step gets from the step before. Where
    the weights that read it round their inputs to 8-bit integers, the CPU leaves out the least probable tokens, up to
    2^-12 of the probability. True keeps them, and a step takes longer. With other weights, and on a GPU, they are kept
    in any case.

    copy_weights: True makes a GPU that shares the CPU's memory copy the weights, too. They take as much memory again.
    `gesso bench --copy-weights` measures whether that is faster.

    chat_template: the source of a chat template (not a path) to use instead of the checkpoint's. It must read the
    variable messages. TypeError if it is no string, ValueError if it cannot be compiled.

    on_progress(bytes_done, bytes_in_all) is called while the weights are copied to a GPU, and before that while the
    model is downloaded.

    progress: whether a bar shows this, if it takes more than a moment: in a notebook below the cell, on a terminal on
    standard error. Elsewhere there is none. None means that there is one unless `on_progress` is given.

    Raises FileNotFoundError or another OSError when a file or a part of one cannot be opened, when it is no regular
    file (a pipe, for example), and when a folder has a link that leads out of it; `gesso.FormatError`, a ValueError,
    when the content of a file is wrong (the message names the key, tensor or field); `gesso.ArgumentError`, a
    ValueError, when an argument is wrong; MemoryError with the bytes that are needed and free; `gesso.CudaError` when
    the GPU's driver reports an error; ModuleNotFoundError when a download needs the extra gesso[hub]. Weights are not
    read here: a NaN among them shows when a step ends in `gesso.NumericsError`.
    """
    check_num_threads(num_threads)
    as_str("device", device)
    as_str("activations", activations)
    as_bool("exact_soft_embedding", exact_soft_embedding)
    as_bool("mmap", mmap)
    as_bool("copy_weights", copy_weights)
    as_bool("download", download)
    if chat_template is not None:
        from gesso.templates.chat_template import compile_chat

        compile_chat(chat_template)  # before the weights are loaded, which can take minutes
    if progress is not None:
        as_bool("progress", progress)
    on_progress = plain_callback("on_progress", on_progress)
    if download:
        with reporting(f"downloading {os.fsdecode(path)}", progress, on_progress) as report:
            download_model(path, report)
    checkpoint = open_checkpoint(path, mmap=mmap)
    title = f"loading {os.fsdecode(path)}"
    with naming_fields_of(path), reporting(title, progress, on_progress) as report:
        native = _native.Model(
            checkpoint, device, num_threads or 0, activations, report, exact_soft_embedding, copy_weights
        )
    warn_of_unused_gpu(device, native)
    return Model(native, chat_template)


def download_model(path: AnyPath, on_progress: Callable[[int, int], object] | None) -> None:
    """Downloads a model that is named as on a hub. Does nothing for what is here: a path, or a model in the cache."""
    name = parse_name(os.fsdecode(path))
    if name is None or os.path.lexists(path):
        return
    try:
        find_cached(name)
    except FileNotFoundError:
        from gesso.hub.pull import pull

        pull(*name_and_pattern(str(name), None), on_progress=on_progress)


def warn_of_unused_gpu(asked_for: str, model: _native.Model) -> None:
    """Says why a model is on the CPU although the machine has a GPU."""
    problem = _native.gpu_problem() if asked_for == "auto" and model.device == "cpu" else None
    if problem:
        warnings.warn(f"the model runs on the CPU: {problem}", RuntimeWarning, stacklevel=3)


def check_num_threads(num_threads: int | None) -> None:
    if num_threads is not None and (isinstance(num_threads, bool) or not isinstance(num_threads, int)):
        raise TypeError(f"num_threads: expected an int or None, got {num_threads!r}")
    if num_threads is not None and not 1 <= num_threads <= _native.MAX_THREADS:
        raise _native.ArgumentError(f"num_threads: expected 1 to {_native.MAX_THREADS}, got {num_threads}")


def naming_fields_of(path: AnyPath) -> AbstractContextManager[None]:
    """Where `path` is a Hugging Face folder, errors about GGUF keys and tensors name its fields, too."""
    path = locate(path)
    if not path.is_dir():
        return nullcontext()
    from gesso.files.hf.field_names import naming_fields

    return naming_fields(path)


def open_checkpoint(path: AnyPath, *, with_values: bool = True, mmap: bool = True) -> _native.Checkpoint:
    """Opens a .gguf file or a Hugging Face folder: its metadata and its tensors, as they are stored.

    `locate` finds it where the path names something around it.

    with_values: False leaves the values of a folder unread and puts zeros in their place, see `outline`. The values of
    a .gguf file are not read here, unless `mmap` is False, see `load`.
    """
    path = locate(path)
    if not path.is_dir():
        return open_gguf(path, mmap=mmap)
    # What only folders need is imported for them alone.
    from gesso.files.checkpoint import fill_checkpoint, outline
    from gesso.files.hf.folder import read_checkpoint

    source = read_checkpoint(path, mmap=mmap)
    tensors = list(source.tensors())
    return (
        fill_checkpoint(source.metadata, tensors, lambda x: x.data)
        if with_values
        else outline(source.metadata, tensors)
    )
