"""Reads a checkpoint folder for writing it as a GGUF file: all metadata of the file, and its tensors in their order.

`folder.read_checkpoint` reads what a model needs to run. This module adds metadata for other programs:
  general.file_type, general.size_label    as llama.cpp writes them
  diffusion.eb_*                           the sampler's settings; where the folder lacks one, the reference's default
                                           is written, so that every runtime uses the same value
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from gesso import _native
from gesso.files.checkpoint import Value, outline
from gesso.files.hf.field_names import naming_fields
from gesso.files.hf.folder import read_checkpoint
from gesso.files.presets import PRESETS
from gesso.files.regular_file import AnyPath
from gesso.files.tensor import Tensor


def read_folder(directory: AnyPath, *, mmap: bool = True) -> tuple[dict[str, Value], list[Tensor]]:
    """Returns metadata and tensors for `write_gguf`. It reads headers only, no values.

    Raises what `read_checkpoint` raises, and FormatError if a tensor is missing, unexpected or of a wrong shape.
    """
    source = read_checkpoint(directory, mmap=mmap)
    tensors = sorted(source.tensors(), key=_file_order)
    with naming_fields(source.directory):
        config = _native.Model(outline(source.metadata, tensors), "cpu").config
    general: dict[str, Value] = {
        "general.file_type": _file_type(tensors),
        "general.size_label": size_label(tensors, config.num_experts),
    }
    return source.metadata | general | _sampler(config.generation), tensors


def _file_order(tensor: Tensor) -> tuple[int, str]:
    """The key for sorting: tensors that belong to no layer come first, then the tensors of each layer."""
    layer = re.match(r"blk\.(\d+)\.", tensor.name)
    return (int(layer[1]) if layer else -1, tensor.name)


def _file_type(tensors: Sequence[Tensor]) -> int:
    """Returns general.file_type: that of the preset with the type that most weights have."""
    counts: Counter[str] = Counter()
    for tensor in tensors:
        counts[tensor.dtype] += tensor.num_elements
    (dtype, _), *_ = counts.most_common(1)
    return PRESETS[dtype].file_type


def size_label(tensors: Sequence[Tensor], num_experts: int) -> str:
    """Returns general.size_label, for example "128x2.6B": 128 experts; with only one expert there are 2.6e9 weights."""
    in_experts = sum(tensor.num_elements for tensor in tensors if tensor.name.endswith("_exps.weight"))
    weights = sum(tensor.num_elements for tensor in tensors) - in_experts + in_experts // num_experts
    unit, name = next(((10**n, name) for n, name in ((12, "T"), (9, "B"), (6, "M")) if weights >= 10**n), (10**3, "K"))
    return f"{num_experts}x{weights / unit:.{1 if weights < 10 * unit else 0}f}{name}"


def _sampler(generation: Mapping[str, object]) -> dict[str, Value]:
    """Returns the numbers among the options' defaults, under their GGUF keys. The end tokens are there already."""
    return {
        option.checkpoint_key: value
        for option in _native.generation_options()
        if option.checkpoint_key and isinstance(value := generation[option.name], (int, float))
    }
