"""gesso on small models against the answers of the reference; tests/golden/make_golden.py wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import gesso
from gesso.files.gguf_reader import read_gguf
from gesso.files.tensor import FLOAT_TYPES

FOLDER = Path(__file__).parents[1] / "golden"
NAMES = sorted(path.stem for path in FOLDER.glob("*.gguf"))
TOLERANCE = 2e-4


def has_only_floats(name):
    return {tensor.dtype for tensor in read_gguf(FOLDER / f"{name}.gguf").tensors()} <= set(FLOAT_TYPES)


FLOAT_NAMES = [name for name in NAMES if has_only_floats(name)]
# Float weights compute in float32 by default, too.
CASES = [(name, "f32") for name in NAMES] + [(name, "auto") for name in FLOAT_NAMES]


@pytest.fixture(params=CASES, ids="-".join)
def golden(request):
    """(model, questions, logits) of one golden model."""
    name, activations = request.param
    questions = json.loads((FOLDER / f"{name}.json").read_text())
    model = gesso.load(FOLDER / f"{name}.gguf", "cpu", activations=activations)
    return model, questions, np.load(FOLDER / f"{name}.npz")


def test_there_are_golden_files():
    assert len(NAMES) >= 6
    assert len(FLOAT_NAMES) >= 4


def test_logits(golden):
    model, questions, logits = golden
    session = model.session()
    for chunk in np.array_split(questions["prompt"], 3):
        session.encode(chunk)
    z = logits["first"] / np.float32(questions["temperature"])
    assert np.abs(session.denoise(questions["canvas"])[0] - logits["first"]).max() <= TOLERANCE
    assert np.abs(session.denoise(questions["canvas"], z[None])[0] - logits["conditioned"]).max() <= TOLERANCE


def test_generations(golden):
    model, questions, _ = golden
    for case in questions["generations"]:
        out = model.generate(case["prompts"], seed=case["seeds"], canvas=case["canvas"], **case["options"])
        expected = case["expected"]
        assert out.denoising_steps == expected["denoising_steps"]
        assert [canvases.tolist() for canvases in out.canvases] == expected["canvases"]
        assert out.sequences == expected["sequences"]
        assert np.float32(out.tokens_per_forward).tolist() == expected["tokens_per_forward"]
