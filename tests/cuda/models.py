"""Models for the tests, and the bound on the difference between a GPU's logits and the CPU's."""

from pathlib import Path

import numpy as np

import gesso
from gesso.bundled.sudoku_model import bundled_model
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf

GOLDEN = Path(__file__).parents[1] / "golden"
SUDOKU = bundled_model()

# The relative error of one rounding of a product's operand. bf16 has 8 bits of precision: half a unit is 2^-9. An int8
# step is 1/127 of a block's largest value, which is about three times the block's root mean square; an error that is
# spread evenly over a step has the root mean square step / sqrt(12).
ROUNDING = {"bf16": 2.0**-9, "int8": 3 / 127 / 12**0.5}


def retyped(path: Path, dtype: str) -> Path:
    """The golden model q8_0 with its blocks in another type. Roundings do not grow along its residual stream. Its
    router stays F32, as in published files: rounded scores could choose other experts."""
    source = read_gguf(GOLDEN / "q8_0.gguf")
    kinds = {tensor.name: tensor.dtype for tensor in source.tensors()}
    types = {name: dtype if kind == "Q8_0" else kind for name, kind in kinds.items()}
    write_gguf(path, source.metadata, source.tensors(), types)
    return path


def bound(model: gesso.Model, activations: str) -> float:
    """The largest relative error that the rule allows: twice what independent roundings add up to. Every layer has six
    products in a row with two operands each. Self-conditioning and head together count as one more layer."""
    num_roundings = 2 * 6 * (model.config.num_hidden_layers + 1)
    return 2 * ROUNDING[activations] * num_roundings**0.5


def relative_error(got: np.ndarray, exact: np.ndarray) -> float:
    """The relative error of a row is the root mean square of its error over that of the row. This is the worst among
    the better three quarters of the rows. In the other rows a rounding may have changed the router's choice: 2 of 4
    experts are chosen, and scores often nearly tie."""
    error = np.sqrt(np.mean((got - exact) ** 2, axis=-1)) / np.sqrt(np.mean(exact**2, axis=-1))
    return float(np.quantile(error, 0.75))
