"""A library with the CUDA backend must run on the CPU of a machine that has no GPU, or no driver for its GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gesso
from gesso.bundled.sudoku_model import bundled_model, make_puzzles, solve

SITE = Path(__file__).resolve().parents[2] / "build/cuda/site"
pytestmark = pytest.mark.skipif(not SITE.exists(), reason="nothing compiled: make cuda")

PROGRAM = """
import json, gesso
from gesso.bundled.sudoku_model import bundled_model, make_puzzles, solve

texts = solve(gesso.load(bundled_model()), make_puzzles(0, 5), 0).texts
try:
    message = gesso.load(bundled_model(), "cuda").device
except ValueError as error:
    message = str(error)
devices = [device.name for device in gesso.devices()]
print(json.dumps([gesso.__file__, gesso.has_cuda(), devices, message, texts]))
"""


def test_it_runs_on_the_cpu():
    # The variable hides the machine's GPUs, if it has any.
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(SITE)}
    command = [sys.executable, "-c", PROGRAM]
    answer = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    path, has_cuda, devices, message, texts = json.loads(answer)
    assert Path(path).is_relative_to(SITE)
    assert has_cuda and devices == ["cpu"]
    assert message == 'device: there is no "cuda" here, only "cpu"'
    assert texts == solve(gesso.load(bundled_model(), "cpu"), make_puzzles(0, 5), 0).texts
