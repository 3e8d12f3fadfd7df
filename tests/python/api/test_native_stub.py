"""The types of the native module: python/gesso/_native.pyi says what the built module has."""

import difflib
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STUB = ROOT / "python/gesso/_native.pyi"
RENEW = "`make stub` writes it anew"


def stub_version() -> str:
    """The version of nanobind that the committed stub is made with, from the extra `stub`."""
    return re.search(r'^stub = \["nanobind==([^"]+)"\]$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> str:
    """What nanobind writes for the module that is installed."""
    if version("nanobind") != stub_version():
        pytest.skip(f"the stub is made with nanobind {stub_version()}, here is {version('nanobind')}")
    path = tmp_path_factory.mktemp("stub") / "_native.pyi"
    subprocess.run([sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "gesso._native", "-o", path], check=True)
    return path.read_text(encoding="utf-8")


def test_the_committed_stub_is_that_of_the_module(generated):
    committed = STUB.read_text(encoding="utf-8")
    lines = difflib.unified_diff(committed.splitlines(), generated.splitlines(), "committed", "built", n=1, lineterm="")
    assert committed == generated, "\n".join([f"{STUB}: {RENEW}", *lines])


def test_no_type_is_left_open():
    """`object` where a type is known: a binding lacks nb::sig or nb::typed. Bare dict and list say as little."""
    text = STUB.read_text(encoding="utf-8")
    known = {
        "owner: object",  # any object at all
        "Callable[[int, int], object]",  # a result that nobody looks at
        "Callable[[StepEvent], object]",  # one that is true or false, as every object is
        "Callable[[CanvasEvent], object]",
        "Callable[[], object]",
    }
    for phrase in known:
        assert phrase in text
        text = text.replace(phrase, "")
    signatures = "\n".join(line for line in text.splitlines() if re.match(r"\s*def ", line))
    assert re.findall(r".*\b(?:object|Any|dict(?![\[(])|list(?!\[)).*", signatures) == []


def test_the_package_says_that_it_has_types():
    """PEP 561: type checkers read an installed package only where it has this file."""
    assert (files("gesso") / "py.typed").is_file()
    assert (files("gesso") / "_native.pyi").is_file()
