"""Models for the tests, and how far a GPU's logits may be from the CPU's."""

from pathlib import Path

import numpy as np

import gesso
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf

GOLDEN = Path(__file__).parents[1] / "golden"
SUDOKU = Path(gesso.__file__).parent / "models" / "sudoku-6x6.gguf"

# One rounding of a product's operands, relative: half a unit of bf16's 8 bits; half a step of 1/127 of a block's
# largest value, which is about three times the block's root mean square, spread evenly.
ROUNDING = {"bf16": 2.0**-9, "int8": 3 / 127 / 12**0.5}


def retyped(path: Path, dtype: str) -> Path:
    """The golden model q8_0 with its blocks in another type. Its residual stream is tame, so that roundings do not
    grow, and its router stays F32, as in files that people have: a rounding there would choose other experts."""
    source = read_gguf(GOLDEN / "q8_0.gguf")
    kinds = {tensor.name: tensor.dtype for tensor in source.tensors()}
    types = {name: dtype if kind == "Q8_0" else kind for name, kind in kinds.items()}
    write_gguf(path, source.metadata, source.tensors(), types)
    return path


def bound(model: gesso.Model, activations: str) -> float:
    """By the rule: twice the relative error that independent roundings add up to, six products one behind the other in
    every layer, with two operands each, and as many in self-conditioning and head together."""
    num_roundings = 2 * 6 * (model.config.num_hidden_layers + 1)
    return 2 * ROUNDING[activations] * num_roundings**0.5


def relative_error(got: np.ndarray, exact: np.ndarray) -> float:
    """Root mean square of a row's error over that of the row: the worst of the better three quarters of the rows. In
    the others a rounding may have tipped the router, whose scores of 2 in 4 experts often nearly tie."""
    error = np.sqrt(np.mean((got - exact) ** 2, axis=-1)) / np.sqrt(np.mean(exact**2, axis=-1))
    return float(np.quantile(error, 0.75))
