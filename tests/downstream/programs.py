"""How the tests here run programs, and the turns that they give them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from gesso.bundled.sudoku_model import make_puzzles

ROOT = Path(__file__).parents[2]
TURNS = make_puzzles(0, 3)
SEED = 7
PROGRAMS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # cmake and ninja of `make`
CMAKE = shutil.which("cmake", path=PROGRAMS)


def run(*command, **options) -> str:
    environment = os.environ | {"PATH": PROGRAMS} | options.pop("environment", {})
    done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=600, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
