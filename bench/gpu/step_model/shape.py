"""The 26B model: the shapes of its matrices, the types that a preset gives them, and how rows spread over experts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from gesso.files.checkpoint import Value, integer, integers
from gesso.files.presets import plan_types
from gesso.files.tensor import stored_bytes
from gesso.synth.model import CONFIGS
from gesso.synth.model import Shape as Named
from gesso.synth.tensors import synth_metadata, tensor_shapes

PRESETS = ("Q4_K_M", "Q8_0", "NVFP4")
SAME_BYTES = 1e-3  # a file may have some small tensors more, for example scales; any two presets differ by far more
VALUE_BYTES = 2  # of an element of keys and values, in bf16


@dataclass(frozen=True)
class Matrix:
    """The weights of a product, or those of all experts."""

    dtype: str
    outputs: int
    columns: int
    num_experts: int = 0  # 0: there is one matrix for all rows
    is_gated: bool = False  # there are as many weights again: `outputs` of the gate and `outputs` of up

    @property
    def rows_of_all(self) -> int:
        return self.outputs * (1 + self.is_gated) * max(1, self.num_experts)

    @property
    def num_bytes(self) -> int:
        return stored_bytes(self.dtype, (self.rows_of_all, self.columns))


@dataclass(frozen=True)
class Heads:
    """The attention of a layer."""

    dim: int
    num_heads: int
    num_key_value_heads: int
    own_key_bytes: int  # of a key that lies apart from its value; 0 where keys are stored whole
    read_bytes: int  # of a position and a key-value head: its key and value
    window: int  # of cached keys; 0: all


class Shape:
    """The tensors and sizes of one file."""

    def __init__(self, preset: str) -> None:
        self.metadata: dict[str, Value]
        self.metadata, self.rotated_pairs = synth_metadata(CONFIGS / "26b-a4b")
        self.shapes = tensor_shapes(self.metadata)
        named = [Named(name, shape) for name, shape in self.shapes.items()]
        self.num_layers = integer(self.metadata, "block_count")
        self.types = plan_types(preset, named, num_layers=self.num_layers)
        self.hidden = integer(self.metadata, "embedding_length")
        self.num_experts = integer(self.metadata, "expert_count")
        self.experts_per_row = integer(self.metadata, "expert_used_count")
        self.is_sliding = [bool(x) for x in integers(self.metadata, "attention.sliding_window_pattern")]
        self.canvas = int(str(self.metadata["diffusion.canvas_length"]))

    @property
    def num_bytes(self) -> int:
        return sum(stored_bytes(self.types[name], shape) for name, shape in self.shapes.items())

    def has(self, name: str) -> bool:
        return f"{name}.weight" in self.shapes

    def matrix(self, name: str, is_gated: bool = False) -> Matrix:
        """is_gated: `name` is the gate of a pair, and up is like it. The experts' pair is one tensor."""
        *experts, outputs, columns = self.shapes[f"{name}.weight"]
        is_pair = name.endswith("gate_up_exps")
        return Matrix(
            self.types[f"{name}.weight"],
            outputs // 2 if is_pair else outputs,
            columns,
            experts[0] if experts else 0,
            is_gated or is_pair,
        )

    def heads(self, layer: int) -> Heads:
        is_sliding = self.is_sliding[layer]
        dim = integer(self.metadata, "attention.key_length" + ("_swa" if is_sliding else ""))
        heads = integer(self.metadata, "attention.head_count")
        key_value_heads = integers(self.metadata, "attention.head_count_kv")[layer]
        if is_sliding:
            window = integer(self.metadata, "attention.sliding_window")
            return Heads(dim, heads, key_value_heads, 0, 2 * dim * VALUE_BYTES, window)
        own = 2 * self.rotated_pairs * VALUE_BYTES  # what does not turn is the same in key and value
        return Heads(dim, heads, key_value_heads, own, own + dim * VALUE_BYTES, 0)


@cache
def shape(preset: str) -> Shape:
    return Shape(preset)


def preset_of(num_layers: int, num_bytes: int) -> str:
    """The preset of a 26B model whose weights have so many bytes."""
    for preset in PRESETS:
        known = shape(preset)
        if num_layers == known.num_layers and math.isclose(num_bytes, known.num_bytes, rel_tol=SAME_BYTES):
            return preset
    sizes = ", ".join(f"{shape(preset).num_bytes} ({preset})" for preset in PRESETS)
    raise ValueError(
        f"expected the 26B model, which has {shape(PRESETS[0]).num_layers} layers, with weights of {sizes} bytes;"
        f" got {num_layers} layers and {num_bytes} bytes"
    )


@dataclass(frozen=True)
class Routing:
    """How the rows of a pass spread over experts, if every expert is as likely as any other."""

    tiles: float  # of an expert, in the mean
    groups: tuple[float, ...]  # how many of the tiles have more than n groups of 8 rows

    @property
    def mean_share(self) -> float:
        """The part of the groups of a tile that have rows."""
        return sum(self.groups) / len(self.groups)


@cache
def routing(rows: int, num_experts: int, experts_per_row: int, tile_rows: int) -> Routing:
    tiles, groups = 0.0, [0.0] * (tile_rows // 8)
    for count, probability in enumerate(row_counts(rows, experts_per_row / num_experts)):
        if probability < 1e-12:
            continue
        tiles += probability * math.ceil(count / tile_rows)
        for begin in range(0, count, tile_rows):
            for group in range(math.ceil(min(tile_rows, count - begin) / 8)):
                groups[group] += probability
    return Routing(tiles, tuple(group / tiles for group in groups))


def row_counts(rows: int, share: float) -> list[float]:
    """The probability that an expert has n rows: binomial, or, of many rows, the normal distribution like it."""
    counts = range(rows + 1)
    if rows <= 512:
        return [math.comb(rows, n) * share**n * (1 - share) ** (rows - n) for n in counts]
    mean, deviation = rows * share, math.sqrt(rows * share * (1 - share))
    raw = [math.exp(-(((n - mean) / deviation) ** 2) / 2) for n in counts]
    return [value / sum(raw) for value in raw]
