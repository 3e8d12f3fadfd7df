"""The versions of build tools have upper bounds, and requirements/locked.txt has what LOCKED=1 needs."""

import re
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def listed(name):
    """The requirements of one list of pyproject.toml."""
    (line,) = re.findall(rf"^{name} = \[(.*)\]$", PYPROJECT, re.MULTILINE)
    return [Requirement(text) for text in re.findall(r'"([^"]+)"', line)]


def build_tools():
    return [
        Requirement(f"{name}{bounds}") for name, bounds in re.findall(r'^(\w+)\.version = "(.+)"$', PYPROJECT, re.M)
    ]


def locked(text, python):
    """Maps the packages for a Python on Linux to their versions. Every package must have a hash."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    found = {}
    for entry in re.findall(r"^(?!#)(\S.*?)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)$", text, re.MULTILINE):
        requirement = Requirement(entry[0])
        assert "--hash=" in entry[1], f"{requirement.name} has no hash"
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in found, f"{requirement.name} has two versions for Python {python}"
            (version,) = requirement.specifier
            assert version.operator == "=="
            found[requirement.name] = version.version
    return found


@pytest.mark.parametrize("requirement", listed("requires") + build_tools(), ids=str)
def test_build_tools_have_upper_bounds(requirement):
    assert {bound.operator for bound in requirement.specifier} & {"<", "<=", "==", "~="}


def test_there_are_build_tools():
    assert [requirement.name for requirement in build_tools()] == ["cmake", "ninja"]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_file_has_every_requirement(python):
    versions = locked((ROOT / "requirements/locked.txt").read_text(encoding="utf-8"), python)
    for requirement in [*listed("requires"), *listed("stub"), *listed("dependencies"), *build_tools()]:
        assert versions[requirement.name] in requirement.specifier, f"{requirement}: run `make lock`"


def test_a_package_without_a_hash_is_found():
    with pytest.raises(AssertionError, match="numpy has no hash"):
        locked("numpy==2.2.6\n", "3.12")


def test_make_asks_for_the_lists_as_they_are():
    """A bound such as ">=0.11,<2" reaches pip whole, and LOCKED=1 takes the file alone."""
    commands = subprocess.run(["make", "-n", "-B", ".venv/.build"], cwd=ROOT, capture_output=True, text=True).stdout
    for requirement in re.findall(r"^requires = \[(.*)\]$", PYPROJECT, re.MULTILINE)[0].split(", "):
        assert requirement in commands
    assert '"cmake>=3.26,<5"' in commands
    arguments = ["make", "-n", "-B", ".venv/.package", "LOCKED=1"]
    commands = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True).stdout
    installs = [line for line in commands.splitlines() if "pip install" in line]
    assert len(installs) == 3 and installs[0].endswith('"pip>=22.1"')  # nothing happens where pip is new enough
    assert "--require-hashes -r requirements/locked.txt" in installs[1]
    assert "--no-deps" in installs[2] and "--no-build-isolation" in installs[2]
