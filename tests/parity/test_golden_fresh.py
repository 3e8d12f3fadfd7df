"""The reference must still give the answers in the committed golden files."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="the parity tests compare with transformers, which needs torch")
pytest.importorskip("transformers", reason="the parity tests compare with transformers")

from golden import make_golden


@pytest.mark.parametrize("name", make_golden.GOLDENS)
def test_golden_files_are_fresh(name):
    model = make_golden.read_model(name)
    questions = json.loads((make_golden.FOLDER / f"{name}.json").read_text())
    stored = np.load(make_golden.FOLDER / f"{name}.npz")
    for kind, now in make_golden.logits(model, questions).items():
        np.testing.assert_allclose(now, stored[kind], rtol=0, atol=1e-4, err_msg=kind)
    for case in questions["generations"]:
        now = make_golden.generation(model, case)
        assert {key: now[key] for key in case["expected"]} == case["expected"]
