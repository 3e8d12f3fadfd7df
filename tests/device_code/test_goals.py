"""What the step model says of this machine code holds against the figures that the design was made for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build/cuda/site"
pytestmark = pytest.mark.skipif(not SITE.exists(), reason="nothing compiled: make cuda")


def test_every_goal_holds():
    # The plans are those of the package with the CUDA backend.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (SITE, ROOT / "bench", ROOT / "tests")))}
    command = [sys.executable, "-m", "gpu.step_model", "--goals"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    goals = done.stdout.strip().split("\n\n", 1)[1].splitlines()
    assert goals and all(goal.startswith("holds ") for goal in goals), done.stdout
