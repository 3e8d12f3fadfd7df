"""Writes a GGUF file from metadata and tensors, one tensor after the other.

checkpoint = read_checkpoint(directory)
write_gguf("model.gguf", checkpoint.metadata, checkpoint.tensors(), types=matrices_as("Q8_0"))

If values come from mapped files or are made on demand, one tensor and a chunk of 32 MiB are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.files.callback import plain_callback
from gesso.files.checkpoint import ARCHITECTURE
from gesso.files.gguf_metadata import Metadata, encode_value
from gesso.files.partial_file import check_space, check_target, partial_file
from gesso.files.presets import stays_float32
from gesso.files.regular_file import AnyPath, as_path
from gesso.files.tensor import Array, Tensor, release_pages, stored_bytes, tensor_types

ALIGNMENT = 32  # of tensors in a file whose metadata do not say another one
CHUNK_BYTES = 32 << 20  # so many bytes of a tensor are converted at a time

Types = Callable[[str, tuple[int, ...]], str] | Mapping[str, str]
Progress = Callable[[int, int, str], object]


@dataclass(frozen=True)
class Stream(Tensor):
    """A tensor whose bytes are made while they are written. It can only be written in its own type.

    make_chunks() yields the bytes as uint8 arrays. The next chunk may overwrite the memory of the last one. `values` is
    not used.
    """

    make_chunks: Callable[[], Iterator[Array]] = lambda: iter(())


def _make_head(metadata: Metadata, plan: list[tuple[Tensor, str, int]]) -> bytes:
    """Returns what the file has in front of the tensors' bytes."""
    keys = {"general.architecture": ARCHITECTURE, **metadata}
    encoded = [(key.encode(), encode_value(key, value)) for key, value in keys.items()]
    return _native.gguf_head(encoded, [(tensor.name, dtype, tensor.shape) for tensor, dtype, _ in plan])


def _checked_bytes(tensor: Tensor, dtype: str) -> int:
    """Returns a tensor's size in bytes in another type. Raises ValueError if its rows do not fit the type."""
    try:
        return stored_bytes(dtype, tensor.shape)
    except ValueError as error:
        raise ValueError(f"{tensor.name} {list(tensor.shape)}: cannot be written as {dtype}: {error}") from None


def chunks(tensor: Tensor, num_parts: int) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yields the bytes of a tensor in chunks of whole rows, about 32 MiB each, with the number of the chunk's part.

    A tensor is divided into `num_parts` equal parts along its outermost dimension: one part per expert, or one in all.
    No chunk reaches over two parts. When the next chunk is asked for, the memory of one from a mapped file is released.
    """
    data = np.ascontiguousarray(tensor.data).reshape(-1).view(np.uint8)
    row_bytes = stored_bytes(tensor.dtype, tensor.shape[-1:])
    chunk_bytes = max(1, CHUNK_BYTES // row_bytes) * row_bytes
    for number, part in enumerate(data.reshape(num_parts, -1)):
        for first in range(0, part.nbytes, chunk_bytes):
            chunk = part[first : first + chunk_bytes]
            yield number, chunk
            release_pages(chunk)


def _converted(
    tensor: Tensor, dtype: str, importance: Array | None, multiplier: Array | None, num_threads: int
) -> Iterator[Array]:
    """Yields the bytes of a tensor in type `dtype`, chunk by chunk.

    importance: [experts, columns]; a plain matrix counts as one expert. multiplier: [1] or [experts].
    """
    if isinstance(tensor, Stream) and dtype == tensor.dtype and multiplier is None:
        yield from tensor.make_chunks()
        return
    columns = tensor.shape[-1]
    per_expert = len(tensor.shape) == 3 and not (importance is None and multiplier is None)
    experts = tensor.shape[0] if per_expert else 1
    same = dtype == tensor.dtype and multiplier is None
    importances: Sequence[Array | None] = [None] * experts if importance is None else list(importance)
    multipliers: list[float] = (
        [1.0] * experts if multiplier is None else _per_expert(tensor, multiplier, "multiplier").tolist()
    )
    for expert, chunk in chunks(tensor, experts):
        if same:
            yield chunk
            continue
        arguments = (tensor.dtype, chunk, dtype, columns, importances[expert], multipliers[expert], num_threads)
        try:
            yield _native.quantize(*arguments)
        except ValueError as error:
            raise ValueError(f"{tensor.name}: cannot be written as {dtype}: {error}") from error


def _per_expert(
    tensor: Tensor, values: npt.ArrayLike, what: str, shape: tuple[int, ...] = ()
) -> npt.NDArray[np.float32]:
    """Returns `values` as float32 [experts, *shape]. A plain matrix counts as one expert.

    Values of the form `shape` or [1, *shape] are repeated for all experts.
    """
    values = np.ascontiguousarray(values, np.float32)
    experts = tensor.shape[0] if len(tensor.shape) == 3 else 1
    if values.shape not in (shape, (1, *shape), (experts, *shape)):
        expected = [experts, *shape] if len(tensor.shape) == 3 or not shape else list(shape)
        raise ValueError(f"{tensor.name}: {what}: expected shape {expected}, got {list(values.shape)}")
    return np.broadcast_to(values, (experts, *shape))


def matrices_as(dtype: str, embedding: str | None = None) -> Callable[[str, tuple[int, ...]], str]:
    """Returns a function for the argument `types` of `write_gguf`.

    Matrices get the type `dtype`, the embedding gets `embedding` if it is given. Vectors, norms and the router get F32.
    """

    def types(name: str, shape: tuple[int, ...]) -> str:
        if stays_float32(name, shape):
            return "F32"
        return embedding if embedding and name == "token_embd.weight" else dtype

    return types


def _plan(tensors: Iterable[Tensor], types: Types | None) -> list[tuple[Tensor, str, int]]:
    """Returns each tensor with the type and the number of bytes that it gets in the file."""
    plan = []
    for tensor in tensors:
        if types is None:
            dtype = tensor.dtype
        else:
            dtype = types(tensor.name, tensor.shape) if callable(types) else types.get(tensor.name, tensor.dtype)
        num_bytes = _checked_bytes(tensor, dtype)
        if dtype != tensor.dtype and not tensor_types()[tensor.dtype].can_read:
            raise ValueError(f"{tensor.name}: cannot be converted from {tensor.dtype}, which gesso cannot read")
        if dtype != tensor.dtype and not tensor_types()[dtype].can_write:
            raise ValueError(f"{tensor.name}: cannot be converted to {dtype}, which gesso cannot write")
        plan.append((tensor, dtype, num_bytes))
    return plan


def write_gguf(
    path: AnyPath,
    metadata: Metadata,
    tensors: Iterable[Tensor],
    types: Types | None = None,
    *,
    importance: Mapping[str, Array] | None = None,
    multipliers: Mapping[str, Callable[[], Array]] | None = None,
    on_progress: Progress | None = None,
    on_chunk: Callable[[str, str, Array], object] | None = None,
    num_threads: int = 0,
) -> None:
    """Writes a GGUF v3 file. The file gets its name only when it is complete.

    types: maps tensor names to types, or is a function of name and shape that returns the type. Tensors whose names it
    lacks keep their types, and so do all tensors without it.
    importance: maps tensor names to float32 [columns] or [experts, columns]: how much a squared error in each column
    counts.
    multipliers: maps tensor names to functions that return float32 [1] or [experts]. The values are multiplied with
    these factors. The function is called when it is the tensor's turn.
    on_progress(done_bytes, total_bytes, name) is called after every chunk, with the bytes of tensors written so far.
    on_chunk(name, type, chunk) is called with the uint8 bytes of every chunk.

    The values of the tensors are asked for one tensor at a time, in order. Raises OSError if the file cannot be made or
    does not fit on the disk. Raises ValueError, which names the tensor or the key, for anything else.
    """
    path = as_path(path)
    check_target(path)
    on_progress = plain_callback("on_progress", on_progress)
    plan = _plan(tensors, types)
    importance = {
        tensor.name: _per_expert(tensor, importance[tensor.name], "importance", tensor.shape[-1:])
        for tensor, *_ in plan
        if importance and tensor.name in importance
    }
    with partial_file(path) as file:
        file.write(_make_head(metadata, plan))
        alignment = cast(int, metadata.get("general.alignment", ALIGNMENT))
        check_space(path.parent, sum(num_bytes + -num_bytes % alignment for *_, num_bytes in plan))
        _write(file, alignment, plan, importance, multipliers or {}, on_progress, on_chunk, num_threads)


def _write(
    file: BinaryIO,
    alignment: int,
    plan: list[tuple[Tensor, str, int]],
    importance: Mapping[str, Array],
    multipliers: Mapping[str, Callable[[], Array]],
    on_progress: Progress | None,
    on_chunk: Callable[[str, str, Array], object] | None,
    num_threads: int,
) -> None:
    total, done = sum(num_bytes for *_, num_bytes in plan), 0
    for tensor, dtype, num_bytes in plan:
        multiplier = multipliers[tensor.name]() if tensor.name in multipliers else None
        start = done
        for chunk in _converted(tensor, dtype, importance.get(tensor.name), multiplier, num_threads):
            file.write(chunk.data)
            done += chunk.nbytes
            if on_chunk:
                on_chunk(tensor.name, dtype, chunk)
            if on_progress:
                on_progress(done, total, tensor.name)
        if done - start != num_bytes:
            raise ValueError(f"{tensor.name}: expected {num_bytes:,} bytes of {dtype}, got {done - start:,}")
        file.write(bytes(-num_bytes % alignment))
