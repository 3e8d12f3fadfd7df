"""The Python module and the programs of tools/ answer on 64-bit Arm as they do here. `make aarch64` builds them."""

import json
import os
import subprocess
from pathlib import Path

import pytest

import gesso
from gesso.bundled.sudoku_model import bundled_model, make_puzzles

BUILD = Path(__file__).parents[2] / "build/aarch64"
PYTHON = BUILD.parent / "arm-python/python"
PROGRAMS = sorted((path for path in BUILD.glob("tools/gesso-*") if path.is_file()), key=str)
QEMU = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
PROMPT, SEED = make_puzzles(0, 1)[0], 7
MOST, STEPS = 36, 2  # one canvas that need not settle: an emulated processor takes long
SCRIPT = f"""
import json, platform, gesso
model = gesso.load({str(bundled_model())!r})
output = model.generate({PROMPT!r}, seed={SEED}, max_new_tokens={MOST}, max_denoising_steps={STEPS})
print(json.dumps([platform.machine(), gesso.__version__, output.texts[0]]))
"""


@pytest.fixture(scope="module")
def expected() -> str:
    model = gesso.load(bundled_model(), "cpu")
    return model.generate(PROMPT, seed=SEED, max_new_tokens=MOST, max_denoising_steps=STEPS).texts[0]


def run(*command, **environment) -> str:
    done = subprocess.run(command, env=os.environ | environment, text=True, capture_output=True, timeout=600)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_module(expected):
    if not PYTHON.exists():
        pytest.skip(f"needs {PYTHON}, which `make aarch64` makes on Debian")
    machine, version, text = json.loads(run(PYTHON, "-c", SCRIPT, PYTHONPATH=str(BUILD / "site")))
    assert (machine, version) == ("aarch64", gesso.__version__)
    assert text == expected


def test_the_programs_are_for_arm():
    if not PROGRAMS:
        pytest.skip("needs build/aarch64/tools, which `make aarch64` makes")
    assert {path.read_bytes()[18:20] for path in PROGRAMS} == {b"\xb7\x00"}  # e_machine of ELF: AArch64


def test_gesso_cli_answers(expected):
    if not PROGRAMS:
        pytest.skip("needs build/aarch64/tools, which `make aarch64` makes")
    options = ["--seed", str(SEED), "--max-new-tokens", str(MOST), "--steps", str(STEPS)]
    assert run(*QEMU, BUILD / "tools/gesso-cli", bundled_model(), PROMPT, *options) == expected + "\n"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_every_program_starts(program):
    assert program.name in run(*QEMU, program, "--help")
