"""Makes a random model from a folder with its sizes, a preset with its types and a number of layers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gesso.files.checkpoint import Value, integer
from gesso.files.hf.export import size_label
from gesso.files.presets import PRESETS, plan_types
from gesso.files.tensor import Tensor
from gesso.synth.tensors import synth_metadata, synth_tensors, tensor_shapes

CONFIGS = Path(__file__).parent
CONFIG_NAMES = sorted(file.parent.name for file in CONFIGS.glob("*/config.json"))


class Shape(NamedTuple):
    """A tensor before it has a type."""

    name: str
    shape: tuple[int, ...]


def make_model(directory: Path, quant: str, num_layers: int | None, seed: int) -> tuple[dict[str, Value], list[Tensor]]:
    """Returns metadata and tensors. The values of the tensors are drawn only when they are written.

    directory: a folder with a config.json. quant: the name of a preset. num_layers: None means all layers.
    """
    metadata, rotated_pairs = synth_metadata(directory, num_layers)
    shapes = tensor_shapes(metadata)
    named = [Shape(name, shape) for name, shape in shapes.items()]
    types = plan_types(quant, named, num_layers=integer(metadata, "block_count"))
    tensors = synth_tensors(shapes, types, rotated_pairs, seed)
    metadata["general.file_type"] = PRESETS[quant].file_type
    metadata["general.size_label"] = size_label(tensors, integer(metadata, "expert_count"))
    return metadata, tensors
