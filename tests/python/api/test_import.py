"""What `import gesso` imports: its native module, and no more. Everything else comes when it is first asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import gesso
from python.expect import raises

HEAVY = {"numpy", "jinja2", "asyncio", "importlib.metadata", "pathlib", "inspect", "dataclasses", "email", "zipfile"}


def modules_behind(code: str) -> set[str]:
    """The modules that a new process has when it has run this."""
    shown = f"import sys\n{code}\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True).stdout.split())


def test_an_import_takes_the_native_module_alone():
    here = modules_behind("") | modules_behind("import importlib, typing, os, signal, _weakrefset")
    found = modules_behind("import gesso") - here
    assert {name for name in found if name.startswith("gesso")} == {"gesso", "gesso.starting", "gesso._native"}
    assert not found & HEAVY


def test_a_model_needs_no_jinja_and_no_asyncio(path):
    """Nor what only folders of Hugging Face, the command or a chat need."""
    code = f"import gesso; model = gesso.load({str(path)!r}, 'cpu'); model.generate([5], max_new_tokens=1)"
    found = modules_behind(code)
    assert "gesso.model" in found
    unwanted = {"jinja2", "asyncio", "importlib.metadata", "gesso.files.hf", "gesso.cli", "gesso.measure"}
    assert not found & unwanted


def test_all_names_are_there():
    names = {name: getattr(gesso, name) for name in gesso.__all__}
    assert all(value is not None for value in names.values()) and {*names, "__version__"} <= {*dir(gesso)}
    found = modules_behind("from gesso import *; assert Chat and load and ToolCall")
    assert "gesso.chat" in found
    assert isinstance(gesso.__version__, str)


@pytest.mark.parametrize("name", ["nothing", "Modell", "_nothing"])
def test_other_names_are_not(name):
    with raises(AttributeError, f"module 'gesso' has no attribute '{name}'"):
        getattr(gesso, name)
    with pytest.raises(ImportError):
        exec(f"from gesso import {name}")
