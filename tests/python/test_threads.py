"""How many threads a model takes where nobody says, and several callers at once."""

import os
import subprocess
import sys

import pytest

from python.tiny_model import tiny_model

SHOW_THREADS = "import sys, gesso; print(gesso.load(sys.argv[1]).num_threads)"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processors that can be taken away")
def test_only_processors_that_it_may_run_on(tmp_path):
    path = tiny_model(tmp_path / "tiny.gguf")
    allowed = os.sched_getaffinity(0)
    command = [sys.executable, "-c", SHOW_THREADS, str(path)]
    try:
        os.sched_setaffinity(0, {min(allowed)})
        shown = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    finally:
        os.sched_setaffinity(0, allowed)
    assert shown == "1\n"
