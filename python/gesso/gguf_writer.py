"""Writes a GGUF of a model from metadata and tensors, as `gesso.hf` reads them. Needs the optional package `gguf`.

checkpoint = hf.read_checkpoint(directory)
write_gguf("model.gguf", checkpoint.metadata, checkpoint.tensors(), types=lambda name, shape: "Q8_0")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gesso.hf import stays_float32
from gesso.hf_config import ARCHITECTURE
from gesso.tensor import Tensor

FLOAT_TYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def _import_gguf():
    try:
        import gguf
        import gguf.quants
    except ImportError as error:
        raise ImportError("writing GGUF files needs the package gguf: pip install gguf") from error
    return gguf


def _add_value(writer: Any, key: str, value: Any) -> None:
    """Adds one metadata value; its Python type decides its GGUF type.

    bool -> bool, int -> u32 (i32 below zero), float -> f32, str -> string; lists the same, but their ints are i32. A
    NumPy scalar keeps its own type, e.g. np.uint64(1). An empty list is left out: the package cannot write one.
    """
    value_type = _import_gguf().GGUFValueType
    if isinstance(value, (list, tuple)):
        if not value:
            return
        kinds = {bool: value_type.BOOL, int: value_type.INT32, float: value_type.FLOAT32, str: value_type.STRING}
        if len({type(item) for item in value}) != 1 or type(value[0]) not in kinds:
            raise ValueError(f"{key}: expected a list of bools, of ints, of floats or of strings, got {value[:4]!r}...")
        writer.add_key_value(key, value, value_type.ARRAY, sub_type=kinds[type(value[0])])
    elif isinstance(value, np.generic):
        names = {"b": "BOOL", "u": "UINT", "i": "INT", "f": "FLOAT"}
        bits = "" if value.dtype.kind == "b" else str(8 * value.dtype.itemsize)
        writer.add_key_value(key, value.item(), value_type[names[value.dtype.kind] + bits])
    elif isinstance(value, bool):
        writer.add_key_value(key, value, value_type.BOOL)
    elif isinstance(value, int):
        writer.add_key_value(key, value, value_type.UINT32 if value >= 0 else value_type.INT32)
    elif isinstance(value, float):
        writer.add_key_value(key, value, value_type.FLOAT32)
    elif isinstance(value, str):
        writer.add_key_value(key, value, value_type.STRING)
    else:
        raise ValueError(f"{key}: expected a bool, int, float, string or list, got {value!r}")


def convert(tensor: Tensor, dtype: str) -> Tensor:
    """The tensor in another type, for example "Q8_0". Bits stay as they are when the type already fits."""
    if tensor.dtype == dtype:
        return tensor
    if tensor.dtype not in FLOAT_TYPES:
        raise ValueError(f"{tensor.name}: {tensor.dtype} cannot be converted to {dtype}, only F32, F16 and BF16 can")
    gguf = _import_gguf()
    try:
        data = gguf.quants.quantize(tensor.to_float32(), gguf.GGMLQuantizationType[dtype])
    except KeyError:
        raise ValueError(f"{tensor.name}: unknown tensor type {dtype!r}") from None
    except (NotImplementedError, gguf.quants.QuantError, ValueError) as error:
        raise ValueError(f"{tensor.name} {list(tensor.shape)}: cannot be written as {dtype}: {error}") from error
    if dtype == "BF16":
        data = data.view(np.uint16).reshape(tensor.shape)
    return Tensor(tensor.name, dtype, tensor.shape, np.ascontiguousarray(data), tensor.source)


def matrices_as(dtype: str, embedding: str | None = None) -> Callable[[str, tuple[int, ...]], str]:
    """A `types` function: matrices in `dtype`, the embedding in `embedding` (or `dtype`), all others in float32."""

    def types(name: str, shape: tuple[int, ...]) -> str:
        if stays_float32(name, shape):
            return "F32"
        return embedding if embedding and name == "token_embd.weight" else dtype

    return types


def write_gguf(
    path: str | Path,
    metadata: dict[str, Any],
    tensors: Iterable[Tensor],
    types: Callable[[str, tuple[int, ...]], str] | None = None,
) -> None:
    """Writes a GGUF v3 file. `types(name, shape)` names each tensor's type; without it, each keeps the one it has.

    The file appears under its name only when it is complete. Weights wait in a temporary file, not in memory.
    """
    gguf = _import_gguf()
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    architecture = metadata.get("general.architecture", ARCHITECTURE)
    writer = gguf.GGUFWriter(partial, architecture, use_temp_file=True)  # adds general.architecture itself
    try:
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        for key, value in metadata.items():
            if key not in ("general.architecture", "general.quantization_version"):
                _add_value(writer, key, value)
        for tensor in tensors:
            stored = convert(tensor, types(tensor.name, tensor.shape)) if types else tensor
            data = stored.data
            if stored.dtype not in ("F32", "F16"):  # types NumPy does not have: as bytes, row by row
                data = data.view(np.uint8).reshape(*stored.shape[:-1], -1)
            writer.add_tensor(stored.name, data, raw_dtype=gguf.GGMLQuantizationType[stored.dtype])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
