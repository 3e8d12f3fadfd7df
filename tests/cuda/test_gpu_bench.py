"""gesso_gpu_bench measures ops of one denoising step. The emulated build has the program, too."""

import json
import subprocess
from pathlib import Path

import pytest

import gesso

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(gesso.__file__).parents[2] / "bench/gpu/gesso_gpu_bench"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="this package is not in a build folder with the benchmark")


@pytest.mark.parametrize("op", ["router", "expert_linear"])
def test_ops_that_are_measured_alone(op, activations, tmp_path):
    """The ops that write what these read run before, although nobody asked for them. Else the router would read garbage
    and send all rows to the same experts, which the program refuses to measure."""
    path = tmp_path / "result.json"
    options = ["--parts", "ops", "--ops", op, "--canvases", "1", "--cached", "16", "--quick"]
    command = [PROGRAM, ROOT / "tests/golden/mixed.gguf", "-o", path, *options, "--activations", activations]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    records = json.loads(path.read_text())
    assert records and all(record["op"].startswith(op) for record in records)
