"""Ctrl-C at any time of a command ends it with status 130 and without a word, also while it starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from python.tiny_model import tiny_model

SCRIPT = Path(sys.executable).with_name("gesso")  # what pip installs as the command
COMMANDS = {"python -m gesso": [sys.executable, "-m", "gesso"], "gesso": [sys.executable, str(SCRIPT)]}

# Python runs this module of that name when it starts. The process sends itself the signal, as a terminal would, when
# the module that it is told is about to be imported or the function that it is told is about to be called.
SITE = """
import os, signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)
kind, _, place = os.environ["INTERRUPT_AT"].partition(" ")

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

class Finder:
    def find_spec(name, path=None, target=None):
        if kind == "import" and name == place:
            interrupt()

def on_call(frame, event, argument):
    if kind == "call" and f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}" == place:
        sys.setprofile(None)
        interrupt()

sys.meta_path.insert(0, Finder)
if kind == "call":
    sys.setprofile(on_call)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(SITE)
    return folder


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf"))


def interrupted(command, site, place):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))}
    done = subprocess.run(command, capture_output=True, timeout=120, env=environment | {"INTERRUPT_AT": place})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def needs(name):
    if name == "gesso" and not SCRIPT.exists():
        pytest.skip(f"the command is not installed: {SCRIPT}")


@pytest.mark.parametrize("module", ["gesso._native", "gesso.cli.program"])
@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_while_modules_are_imported(site, name, module):
    needs(name)
    assert interrupted([*COMMANDS[name], "--version"], site, f"import {module}") == (130, "", "")


PLACES = {
    "the arguments are read": "gesso.cli.program.make_parser",
    "the model is loaded": "gesso.loading.open_checkpoint",
    "the prompt is encoded": "gesso.cli.run.make_prompt",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_ctrl_c_before_a_text_is_written(site, path, place):
    command = [*COMMANDS["python -m gesso"], "run", path, "hi", "--steps", "2"]
    assert interrupted(command, site, f"call {place}") == (130, "", "")


@pytest.mark.parametrize("place", ["gesso.files.gguf_reader.read_gguf", "gesso.files.gguf_writer._converted"])
def test_ctrl_c_while_a_file_is_read_or_written(site, path, place, tmp_path):
    target = tmp_path / "out.gguf"
    command = [*COMMANDS["python -m gesso"], "quantize", path, str(target), "--preset", "Q8_0"]
    status, _, err = interrupted(command, site, f"call {place}")
    assert (status, [line for line in err.splitlines() if "warning" not in line]) == (130, [])
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_a_command_ends(site):
    """After its work a command has its status, and a late signal adds no traceback."""
    status, _, err = interrupted([*COMMANDS["python -m gesso"], "devices"], site, "call threading._shutdown")
    assert (status, err) == (130, "")


LIBRARY = """
import signal
try:
    import gesso
except KeyboardInterrupt:
    print("interrupted")
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


def test_a_program_that_imports_gesso_gets_its_keyboard_interrupt(site):
    """Only the command takes the signal for itself."""
    status, out, err = interrupted([sys.executable, "-c", LIBRARY], site, "import gesso._native")
    assert (status, out, err) == (0, "interrupted\nTrue\n", "")
