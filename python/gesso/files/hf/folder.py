"""Reads a Hugging Face checkpoint folder and gives it the metadata keys and tensors that its GGUF file would have.

    checkpoint = read_checkpoint(directory)
    checkpoint.metadata             GGUF key -> Python value, see `config.py` and `tokenizer.py`
    for tensor in checkpoint.tensors(): ...        views of the mapped shards, or functions that make the values

So the same native code reads a folder and a GGUF file. These files are read: config.json, generation_config.json,
hf_quant_config.json, tokenizer.json, tokenizer_config.json, chat_template.jinja and the safetensors files. Of the files
that are not safetensors only config.json must exist. `compression.py` finds out how weights are compressed, and
`compressed.py` converts them.

A missing file raises FileNotFoundError. Content that is malformed or not supported raises FormatError, which names the
file and the field, what was expected and what was found.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from gesso._native import FormatError
from gesso.files.checkpoint import integer
from gesso.files.hf.compressed import quantized_tensors, split
from gesso.files.hf.compression import read_compression
from gesso.files.hf.config import read_config_metadata
from gesso.files.hf.experts import split_experts, stacked_experts
from gesso.files.hf.generation import read_generation_metadata
from gesso.files.hf.names import canonical_name, decoders_name, gguf_name, hint, is_dropped
from gesso.files.hf.shards import Shards, StoredTensor
from gesso.files.hf.tokenizer import read_tokenizer_metadata
from gesso.files.presets import stays_float32
from gesso.files.regular_file import AnyPath, as_path
from gesso.files.tensor import FLOAT_TYPES, Tensor

UNROTATED = 1e30  # a pair of dimensions whose frequency is divided by this is rotated by an angle of almost exactly 0

# An embedding, with any prefix. A compressed one may have another last part.
SHORT_LIST = 1 << 18  # lists of so many tokens take a second; what does not fit is then found with all other tensors
EMBEDDING = re.compile(r"(^|\.)embed_tokens\.weight(_packed)?$")


def rope_freqs(num_pairs: int, rotated_pairs: int) -> Tensor:
    """Makes rope_freqs.weight, float32 [num_pairs]: the full layers divide their rotary frequencies by these numbers.

    The first `rotated_pairs` pairs get 1. The others get UNROTATED, so that they are not rotated.
    """
    divisors = np.where(np.arange(num_pairs) < rotated_pairs, 1.0, UNROTATED).astype(np.float32)
    return Tensor("rope_freqs.weight", "F32", divisors.shape, divisors, "(generated)")


def _check_adapter(directory: Path) -> None:
    """Raises FormatError for a model with an adapter beside it. The reference would apply the adapter."""
    adapter = directory / "adapter_config.json"
    if (directory / "config.json").exists() and os.path.lexists(adapter):
        raise FormatError(
            f"{adapter}: an adapter lies beside the model, which gesso would run without it; merge it (PEFT:"
            " merge_and_unload) and give the folder of the merged model, or take the adapter away"
        )


class Checkpoint:
    """A checkpoint folder. It has `metadata` and `tensors()`, as `write_gguf` takes them."""

    def __init__(self, directory: Path, *, mmap: bool = True):
        self.directory = directory
        _check_adapter(directory)
        self.metadata, self._rotated_pairs = read_config_metadata(directory)
        self.compression = read_compression(directory)
        self.shards = Shards(directory, mmap=mmap)
        vocab_size = integer(self.metadata, "vocab_size")
        self._check_vocabulary(vocab_size)
        tokenizer = read_tokenizer_metadata(directory, vocab_size)
        self.metadata |= tokenizer | read_generation_metadata(directory, tokenizer, vocab_size)

    def _check_vocabulary(self, vocab_size: int) -> None:
        """Raises FormatError if a large vocabulary has an embedding, but none with a row for each token.

        The tokenizer makes lists of this length, which a folder of a few bytes must not choose.
        """
        if vocab_size <= SHORT_LIST:
            return
        found = [tensor for name, tensor in self.shards.tensors().items() if EMBEDDING.search(name)]
        if found and all(tensor.shape[:1] != (vocab_size,) for tensor in found):
            raise found[0].error(f"vocab_size = {vocab_size} rows")

    def tensors(self) -> Iterator[Tensor]:
        """Yields all weights. It reads the files' headers only; values are read or made each time they are asked for.

        Matrices have the type in which they are stored; for compressed ones see `compressed.py`. Vectors, norms and the
        router are F32.
        """
        stored = _by_name(self.shards.tensors())
        plain, layers = split(stored, self.compression) if self.compression else (stored, {})
        plain, experts = split_experts(plain)
        tensors: dict[str, Tensor] = {}
        num_experts = integer(self.metadata, "expert_count")
        plain_tensors = (_plain_tensor(name, tensor) for name, tensor in plain.items())
        for tensor in chain(plain_tensors, stacked_experts(experts, num_experts)):
            self._add(tensors, tensor)
        for tensor in self._compressed_tensors(layers):
            has_router_scale = tensor.name.endswith("ffn_down_exps.scale")
            self._add(
                tensors, _with_router_scale(tensor, tensors.pop(tensor.name, None)) if has_router_scale else tensor
            )
        yield from tensors.values()
        yield rope_freqs(integer(self.metadata, "attention.key_length") // 2, self._rotated_pairs)

    def _add(self, tensors: dict[str, Tensor], tensor: Tensor) -> None:
        other = tensors.setdefault(tensor.name, tensor)
        if other is not tensor:
            raise FormatError(f"{self.directory}: {other.source} and {tensor.source}: expected only one of them")

    def _compressed_tensors(self, layers: dict[str, dict[str, StoredTensor]]) -> Iterator[Tensor]:
        if self.compression is None:
            return
        num_experts = integer(self.metadata, "expert_count")
        yield from quantized_tensors(layers, self.compression, num_experts, _known_name)


def _known_name(file: Path, hf_name: str, stored_name: str = "") -> str:
    try:
        return gguf_name(hf_name)
    except KeyError:
        raise FormatError(f"{file}: {stored_name or hf_name}: unknown tensor{hint(hf_name)}") from None


def _by_name(stored: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Returns the tensors that are read by the reference's names.

    A tensor of the text encoder or of the head stands for the decoder's, where the folder lacks that. Where it has
    both, they must be equal: the reference would compute with two different ones, which gesso cannot.
    """
    names: dict[str, StoredTensor] = {}
    groups: dict[str, list[StoredTensor]] = {}  # the decoder's tensor, then those that are tied with it
    for tensor in stored.values():
        name = canonical_name(tensor.name)
        if is_dropped(name):
            continue
        other = names.setdefault(name, tensor)
        if other is not tensor:
            raise FormatError(f"{tensor.file}: {tensor.name}: {other.name} is the same tensor of the model")
        tied = decoders_name(name)
        group = groups.setdefault(tied or name, [])
        group.insert(0 if tied is None else len(group), tensor)
    return {name: replace(first, twins=tuple(others)) for name, (first, *others) in groups.items()}


def _plain_tensor(hf_name: str, stored: StoredTensor) -> Tensor:
    name = _known_name(stored.file, hf_name, stored.name)
    if stored.dtype not in FLOAT_TYPES:
        raise stored.error("F32, F16 or BF16")
    shape = stored.shape or (1,)
    tensor = Tensor(name, stored.dtype, shape, lambda: stored.values.reshape(shape), stored.name)
    return Tensor(name, "F32", shape, tensor.to_float32, stored.name) if stays_float32(name, shape) else tensor


def _with_router_scale(tensor: Tensor, router: Tensor | None) -> Tensor:
    """Multiplies the two factors of each expert's output: its weight scale and the router's per_expert_scale.

    GGUF has only one tensor for both.
    """
    if router is None or router.shape != tensor.shape:
        got = f"got {list(router.shape)}" if router else "which is missing"
        raise FormatError(f"{tensor.source}: expected a router.per_expert_scale of {list(tensor.shape)} with it, {got}")
    return Tensor(
        tensor.name, "F32", tensor.shape, lambda: router.data * tensor.data, f"{router.source} * {tensor.source}"
    )


def read_checkpoint(directory: AnyPath, *, mmap: bool = True) -> Checkpoint:
    """Opens a checkpoint folder. Reads its JSON files and the headers of the weight files, but no weights.

    mmap: False reads weights instead of mapping the files, see `gesso.load`.
    """
    return Checkpoint(as_path(directory), mmap=mmap)
