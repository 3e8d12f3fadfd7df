"""`make wheels` makes what it can, and says what is missing."""

from argparse import Namespace
from pathlib import Path

import pytest

import make_wheels
import pythons
import try_wheel

OLD, STABLE, NEW = (Path(f"/usr/bin/python3.{minor}") for minor in (11, 12, 13))
CUDA = "CMAKE_CUDA_COMPILER:FILEPATH=/usr/bin/nvcc\nGESSO_CUDA_ARCHITECTURES:STRING=80;90\n"
ARM = "GESSO_BINDS:INTERNAL=/arm/include/python3.13\n"


@pytest.fixture
def options(tmp_path):
    for folder, cache in (("package", ""), ("cuda", CUDA), ("aarch64", ARM)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "CMakeCache.txt").write_text(cache)
    (tmp_path / "arm").mkdir()
    (tmp_path / "arm/python").touch()
    folders = {"objects": "package", "cuda_objects": "cuda", "arm_objects": "aarch64", "arm_python": "arm"}
    return Namespace(**{name: tmp_path / folder for name, folder in folders.items()})


def plan(options, monkeypatch, *found):
    monkeypatch.setattr(make_wheels, "find_pythons", lambda: {(3, int(path.name[-2:])): path for path in found})
    wheels, missing = make_wheels.plan(options)
    return {wheel.name: wheel for wheel in wheels}, missing


def test_every_wheel_is_made(options, monkeypatch):
    wheels, missing = plan(options, monkeypatch, OLD, STABLE, NEW)
    assert list(wheels) == ["cp311", "abi3", "cuda", "aarch64"]
    assert wheels["abi3"].build_python == STABLE
    assert [python.path for python in wheels["abi3"].try_pythons] == [STABLE, NEW]
    assert wheels["cuda"].defines["GESSO_CUDA_ARCHITECTURES"] == "80;90"
    assert missing == ["Python 3.10 was not found", "Python 3.14 was not found"]


def test_what_cannot_be_made_is_named(options, monkeypatch):
    wheels, missing = plan(options, monkeypatch, OLD)
    assert list(wheels) == ["cp311"]
    assert missing[-1].startswith("no wheel for later versions")
    for folder, name in ((options.cuda_objects, "cuda"), (options.arm_objects, "aarch64")):
        (folder / "CMakeCache.txt").unlink()
        wheels, missing = plan(options, monkeypatch, STABLE)
        assert name not in wheels
        assert f"`make {name}`" in "".join(missing)


def test_pythons_without_headers_or_of_another_version_do_not_count(tmp_path, monkeypatch):
    answers = {"3.11": "3.11\\n/base", "3.12": "", "3.13": "3.14\\n/base"}
    for name, answer in answers.items():
        python = tmp_path / f"python{name}"
        python.write_text(f"#!/bin/sh\nprintf '{answer}\\n'\n")
        python.chmod(0o755)
    monkeypatch.setattr(pythons, "PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pythons.find_pythons() == {(3, 11): Path("/base")}


def test_the_glibc_of_a_name():
    assert try_wheel.wheel_glibc(Path("gesso-0.1.0-cp312-abi3-manylinux_2_34_aarch64.whl")) == "2_34"
