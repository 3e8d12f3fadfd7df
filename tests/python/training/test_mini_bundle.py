"""What `bundle_mini.py` takes from a run that goes on meanwhile."""

import json

import pytest

pytest.importorskip("torch", reason="torch, which only training needs, is not installed")

import bundle_mini
import torch
from mini.checkpoint import Progress, load_weights, save_weights


def test_the_log_ends_where_the_weights_do(tmp_path, monkeypatch):
    run, trained = tmp_path / "run", tmp_path / "trained"
    run.mkdir()
    monkeypatch.setattr(bundle_mini, "TRAINED", trained)
    save_weights(run / "weights.safetensors", {"norm.weight": torch.ones(32)}, Progress(120, 3.5))
    (run / "log.jsonl").write_text("".join(json.dumps({"step": step}) + "\n" for step in (50, 100, 150)))
    bundle_mini.take(run)
    assert [json.loads(line)["step"] for line in (trained / "log.jsonl").read_text().splitlines()] == [50, 100]
    assert load_weights(trained / "weights.safetensors")[1] == Progress(120, 3.5)
    bundle_mini.take(run)  # a second time over the first
    assert len((trained / "log.jsonl").read_text().splitlines()) == 2
