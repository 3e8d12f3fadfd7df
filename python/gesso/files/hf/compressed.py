"""Turns the compressed linear layers of a checkpoint folder into the tensors that a GGUF file has for them.

NVFP4 layers stay NVFP4, and their bits are kept. The elements are put into ggml's order. The scale of each 16 elements
stays in its place. The scale of the whole layer becomes the F32 tensor `.scale`, with one element per expert. So
value = (e2m1 * block scale) * scale, and the product in parentheses is exact. In a folder of modelopt, scale is
`weight_scale_2`, and the value is the one that modelopt computes. In a folder of compressed-tensors, scale is the
float32 reciprocal of `weight_global_scale`; the value may then be rounded once more than by the division that
compressed-tensors does. It is not when the global scale is a power of two. Experts become three tensors, because gate
and up have different scales.

8-bit layers become BF16. Each element is multiplied with the scale of its channel; the product is exact in float32 when
the scale is BF16. It is then rounded to BF16, to nearest even. Experts are stacked and their gate and up are fused, as
in a folder that is not compressed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso._native import FormatError
from gesso.files.hf.compression import Compression
from gesso.files.hf.experts import EXPERT, PROJECTIONS, check_complete
from gesso.files.hf.shards import StoredTensor
from gesso.files.tensor import Array, Tensor, stored_bytes


class Layer:
    """One linear layer with weights [out, in]. Its parts have the types and shapes that its compression prescribes."""

    def __init__(self, name: str, parts: dict[str, StoredTensor], compression: Compression):
        self.name, self.parts, self.compression = name, parts, compression
        for part in compression.parts:
            if part not in parts and part != compression.input_scale:
                file = next(iter(parts.values())).file
                raise FormatError(f"{file}: {name}.{part}: missing; {compression.name} weights need it")
        weight = parts[compression.weight]
        if weight.dtype != compression.element_type or len(weight.shape) != 2 or 0 in weight.shape:
            raise weight.error(f"{compression.element_type} [out, in]")
        rows, columns = weight.shape
        self.shape = (rows, 2 * columns) if compression.is_nvfp4 else (rows, columns)
        if compression.is_nvfp4 and self.shape[1] % 64:
            raise weight.error("rows of a multiple of 64 elements, 32 bytes, as GGUF's NVFP4 has them")
        self._check(
            "weight_scale", compression.scale_types, [(rows, self.shape[1] // 16 if compression.is_nvfp4 else 1)]
        )
        for part in (compression.global_scale, compression.input_scale):
            self._check(part, ("F32",), [(), (1,)])

    def _check(self, part: str, dtypes: tuple[str, ...], shapes: list[tuple[int, ...]]) -> None:
        tensor = self.parts.get(part)
        if tensor is not None and (tensor.dtype not in dtypes or tensor.shape not in shapes):
            raise tensor.error(f"{' or '.join(dtypes)} {' or '.join(str(list(shape)) for shape in shapes)}")

    def scale(self, part: str) -> np.float32:
        """Returns a scale of the whole layer as GGUF has it: a factor, not a divisor."""
        stored = self.parts[part].values.reshape(())[()]
        with np.errstate(divide="ignore", over="ignore"):
            value = np.float32(np.float32(1) / stored if self.compression.divides else stored)
        if not (math.isfinite(value) and value >= 0):  # zero is allowed: all weights of an expert may be zero
            raise FormatError(f"{self.parts[part].file}: {self.name}.{part}: expected a positive number, got {stored}")
        return value


def split(
    stored: dict[str, StoredTensor], compression: Compression
) -> tuple[dict[str, StoredTensor], dict[str, dict[str, StoredTensor]]]:
    """Separates the tensors of a folder.

    Returns the tensors that are not compressed, by name, and the parts of the compressed layers, by layer and part.
    """
    plain: dict[str, StoredTensor] = {}
    layers: dict[str, dict[str, StoredTensor]] = {}
    for name, tensor in stored.items():
        layer, _, part = name.rpartition(".")
        is_part = part in compression.parts
        if is_part and part == "weight":  # a plain layer has a "weight" too; type or scale tell that it is compressed
            is_part = tensor.dtype == compression.element_type or f"{layer}.weight_scale" in stored
        if is_part:
            layers.setdefault(layer, {})[part] = tensor
        else:
            plain[name] = tensor
    return plain, layers


def quantized_tensors(
    layers: dict[str, dict[str, StoredTensor]],
    compression: Compression,
    num_experts: int,
    gguf_name: Callable[[Path, str], str],
) -> Iterator[Tensor]:
    """Yields the GGUF tensors of compressed layers.

    gguf_name: a function of a file and of a weight's name in it that returns the GGUF name; it raises FormatError for
    an unknown name.
    """
    experts: dict[str, dict[str, dict[int, Layer]]] = {}
    for name, parts in layers.items():
        layer = Layer(name, parts, compression)
        match = EXPERT.fullmatch(name)
        if match:
            projections = experts.setdefault(match[1], {projection: {} for projection in PROJECTIONS})
            projections[match[3]][int(match[2])] = layer
        else:
            name_of_weight = gguf_name(parts[compression.weight].file, f"{name}.weight")
            yield from _tensors(name_of_weight.removesuffix(".weight"), [layer], layer.shape, name)
    for number, projections in experts.items():
        yield from _experts(number, projections, compression, num_experts)


def _experts(
    number: str, projections: dict[str, dict[int, Layer]], compression: Compression, num_experts: int
) -> Iterator[Tensor]:
    """Yields the tensors of the experts of one transformer layer. `number` is the layer's number."""
    prefix = f"model.decoder.layers.{number}.experts"
    for projection, layers in projections.items():
        check_complete(prefix, projection, layers, num_experts)
        for expert in range(num_experts):
            expected = projections["gate" if projection == "up" else projection][0].shape
            if layers[expert].shape != expected:
                weight = layers[expert].parts[compression.weight]
                raise weight.error(f"the shape of the other experts, [out, in] = {list(expected)}")
    gate, up, down = ([projections[name][i] for i in range(num_experts)] for name in PROJECTIONS)
    base, (rows, columns) = f"blk.{number}.ffn", gate[0].shape
    if compression.is_nvfp4:
        yield from _tensors(f"{base}_gate_exps", gate, (num_experts, rows, columns), f"{prefix}.*.gate_proj")
        yield from _tensors(f"{base}_up_exps", up, (num_experts, rows, columns), f"{prefix}.*.up_proj")
    else:
        fused = [layer for pair in zip(gate, up, strict=True) for layer in pair]
        shape = (num_experts, 2 * rows, columns)
        yield from _tensors(f"{base}_gate_up_exps", fused, shape, f"{prefix}.*.gate_proj, up_proj")
    yield from _tensors(f"{base}_down_exps", down, (num_experts, *down[0].shape), f"{prefix}.*.down_proj")


def _tensors(base: str, layers: list[Layer], shape: tuple[int, ...], source: str) -> Iterator[Tensor]:
    """Yields `<base>.weight`, which has the rows of all layers, and its scales."""
    compression = layers[0].compression
    dtype, decode, holds = ("NVFP4", _pack_nvfp4, np.uint8) if compression.is_nvfp4 else ("BF16", _to_bf16, np.uint16)
    row_items = stored_bytes(dtype, shape[-1:]) // np.dtype(holds).itemsize
    yield Tensor(
        f"{base}.weight", dtype, shape, partial(_stack, layers, decode, (*shape[:-1], row_items), holds), source
    )
    if not compression.is_nvfp4:
        return
    parts = {"scale": compression.global_scale}
    have_input = [layer for layer in layers if compression.input_scale in layer.parts]
    if have_input:
        if len(have_input) < len(layers):
            raise FormatError(f"{source}: expected {compression.input_scale} of all experts, got {len(have_input)}")
        parts["input_scale"] = compression.input_scale
    for name, part in parts.items():
        yield Tensor(f"{base}.{name}", "F32", (len(layers),), partial(_scales, layers, part), f"{source}.{part}")


def _stack(
    layers: list[Layer], decode: Callable[[Layer], Array], shape: tuple[int, ...], dtype: type[np.generic]
) -> Array:
    """Stacks the rows of all layers. Only one layer's pages of the mapped files are in memory at a time."""
    rows = layers[0].shape[0]
    out: Array = np.empty(shape, dtype)
    below = out.reshape(len(layers) * rows, -1)
    for i, layer in enumerate(layers):
        below[i * rows : (i + 1) * rows] = decode(layer)
        for part in layer.parts.values():
            part.release()
    return out


def _scales(layers: list[Layer], part: str) -> npt.NDArray[np.float32]:
    return np.array([layer.scale(part) for layer in layers], np.float32)


def _pack_nvfp4(layer: Layer) -> npt.NDArray[np.uint8]:
    """Returns rows of ggml's blocks: uint8 [out, in / 64 * 36]. A block has 4 scales, then 32 bytes of elements.

    The elements are packed in groups of 16, two to a byte. In the folder, byte k of a group has element 2k in its low
    half and 2k + 1 in its high half. In ggml, byte j of a group has elements j and j + 8.
    """
    rows, columns = layer.shape
    scales = layer.parts["weight_scale"].values
    if scales.max() > 0x7E:  # a negative e4m3 or its NaN; ggml's scales can be neither
        raise layer.parts["weight_scale"].error("scales that are numbers, positive or zero")
    stored = layer.parts[layer.compression.weight].values.reshape(rows, columns // 16, 8)
    first, second = stored[..., :4], stored[..., 4:]
    blocks = np.empty((rows, columns // 64, 36), np.uint8)
    blocks[..., :4] = scales.reshape(rows, columns // 64, 4)
    elements = np.empty((rows, columns // 16, 8), np.uint8)
    elements[..., 0::2] = (first & 0x0F) | (second << 4)
    elements[..., 1::2] = (first >> 4) | (second & 0xF0)
    blocks[..., 4:] = elements.reshape(rows, columns // 64, 32)
    return blocks.reshape(rows, -1)


def _to_bf16(layer: Layer) -> npt.NDArray[np.uint16]:
    """Returns the elements times the scale of their channel, as the bits of BF16: uint16 [out, in]."""
    weight, scale = layer.parts["weight"], layer.parts["weight_scale"]
    elements = E4M3_VALUES[weight.values] if weight.dtype == "F8_E4M3" else weight.values.astype(np.float32)
    factors = _native.dequantize(scale.dtype, np.ascontiguousarray(scale.values).reshape(-1).view(np.uint8))
    elements *= factors[:, None]
    bits = _native.quantize("F32", elements.reshape(-1).view(np.uint8), "BF16", layer.shape[1])
    return bits.view(np.uint16).reshape(layer.shape)


def _e4m3_values() -> npt.NDArray[np.float32]:
    """Returns the 256 values of F8_E4M3: float32 [256].

    A value has a sign bit, 4 bits of exponent with bias 7 and 3 bits of mantissa. There are no infinities; NaN is
    S.1111.111. Source: "FP8 Formats for Deep Learning", https://arxiv.org/abs/2209.05433.
    """
    codes = np.arange(256)
    exponents, mantissas = codes >> 3 & 15, codes & 7
    values = np.where(exponents == 0, np.ldexp(mantissas, -9), np.ldexp(8 + mantissas, exponents - 10))
    values[(codes & 0x7F) == 0x7F] = np.nan
    signed: Array = np.where(codes & 0x80, -values, values)
    return signed.astype(np.float32)


E4M3_VALUES = _e4m3_values()
