"""Models for the tests, and how far a GPU's logits may be from the CPU's."""

from pathlib import Path

import numpy as np

import gesso
from gesso import _ops
from gesso.bundled.sudoku_model import bundled_model
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf

GOLDEN = Path(__file__).parents[1] / "golden"
SUDOKU = bundled_model()


def retyped(path: Path, dtype: str) -> Path:
    """The golden model q8_0 with its blocks in another type. Roundings do not grow along its residual stream. Its
    router stays F32, as in published files: rounded scores could choose other experts."""
    source = read_gguf(GOLDEN / "q8_0.gguf")
    kinds = {tensor.name: tensor.dtype for tensor in source.tensors()}
    types = {name: dtype if kind == "Q8_0" else kind for name, kind in kinds.items()}
    write_gguf(path, source.metadata, source.tensors(), types)
    return path


def problems(model: gesso.Model, activations: str, got: np.ndarray, exact: np.ndarray) -> str:
    """What is wrong with the logits of a device that rounds activations, by the rule of bench/gpu/answers/comparison.h;
    empty if nothing is."""
    got, exact = (logits.reshape(-1, model.config.vocab_size) for logits in (got, exact))
    return _ops.compare_logits(got, exact, activations, model.config.num_hidden_layers).problems()
