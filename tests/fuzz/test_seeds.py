"""The seeds of the fuzz targets are what they should be: a seed that is refused at once teaches a fuzzer nothing."""

from pathlib import Path

import numpy as np
import pytest

import gesso
from gesso._native import Checkpoint
from gesso.files.imatrix import read_imatrix

SEEDS = Path(__file__).resolve().parent / "seeds"


@pytest.mark.parametrize("path", sorted((SEEDS / "generate").iterdir()), ids=lambda path: path.name)
def test_models_generate(path):
    model = gesso.load(path)
    assert len(model.generate([1, 2], max_new_tokens=4, max_denoising_steps=1).sequences[0]) <= 4


def test_files_hold_every_type():
    metadata = Checkpoint.open(bytes(SEEDS / "gguf" / "values.gguf")).metadata
    dtypes = {value.dtype.name for value in metadata.values() if isinstance(value, np.ndarray)}
    assert dtypes == {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)} | {
        "float32",
        "float64",
        "bool",
    }
    assert metadata["strings"] == ["", "a", "né"]
    assert metadata["nested"] is None


def test_importance_is_read():
    assert set(read_imatrix(SEEDS / "imatrix" / "two.gguf")) == {"blk.0.attn_q.weight", "blk.0.ffn_gate_up_exps.weight"}


def test_every_target_has_seeds():
    targets = {path.stem.removeprefix("fuzz_") for path in SEEDS.parent.glob("fuzz_*.cpp")}
    assert targets == {"generate", "gguf", "tokenizer"}
    for target in targets:
        assert list((SEEDS / target).iterdir()) != []
