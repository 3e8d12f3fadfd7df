"""Installs a wheel into an environment that has nothing else, and runs the demo and README's examples there."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAKE_MODEL = """
import sys
sys.path.insert(0, "tests")
from python.tiny_model import tiny_model
tiny_model(sys.argv[1])
"""
PIP_FLAGS = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]


def run(*command, cwd: Path | None = None) -> None:
    print("+", *map(str, command), flush=True)
    subprocess.run(command, check=True, cwd=cwd)


@dataclass
class Python:
    path: Path
    num_puzzles = 100

    def command(self, environment: Path) -> list:
        """What runs the Python of an environment."""
        return [environment / "bin/python"]

    def create(self, environment: Path) -> None:
        run(self.path, "-m", "venv", environment)

    def install(self, wheel: Path, environment: Path) -> None:
        run(*self.command(environment), "-m", "pip", "install", *PIP_FLAGS, wheel)


@dataclass
class ArmPython:
    """The folder that arm_python.py makes. Its Python cannot start programs for Arm, because the kernel does not know
    that QEMU should run them. So it gets pip as a file, and what it installs is downloaded from here."""

    folder: Path
    num_puzzles = 4  # an emulated processor takes long

    def command(self, environment: Path) -> list:
        return ["qemu-aarch64", "-L", self.folder / "root", environment / "bin/python"]

    def create(self, environment: Path) -> None:
        run(self.folder / "python", "-m", "venv", "--without-pip", environment)

    def install(self, wheel: Path, environment: Path) -> None:
        downloads = environment / "downloads"
        download = [sys.executable, "-m", "pip", "download", *PIP_FLAGS, "--dest", downloads]
        run(*download, "--no-deps", "pip")
        (pip,) = downloads.glob("pip-*.whl")
        platforms = [f"--platform=manylinux_{glibc}_aarch64" for glibc in ("2_17", "2_28", wheel_glibc(wheel))]
        run(*download, *platforms, "--python-version", "3.13", wheel)
        offline = ["--no-index", "--find-links", downloads]
        run(*self.command(environment), pip / "pip", "install", *PIP_FLAGS, *offline, wheel)


def wheel_glibc(wheel: Path) -> str:
    """The glibc that a wheel's name asks for: "2_34"."""
    return re.findall(r"manylinux_(2_\d+)", wheel.name)[-1]


def examples() -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL))


def try_wheel(wheel: Path, python: Python | ArmPython, environment: Path) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    python.create(environment)
    python.install(wheel, environment)
    command = python.command(environment)
    # The examples read model.gguf in the current folder. A small one of random weights comes from the tests.
    run(sys.executable, "-c", MAKE_MODEL, environment / "model.gguf", cwd=ROOT)
    (environment / "readme.py").write_text(examples(), encoding="utf-8")
    run(*command, "readme.py", cwd=environment)
    run(*command, environment / "bin/gesso", "devices", cwd=environment)
    run(*command, environment / "bin/gesso", "demo", "--puzzles", str(python.num_puzzles), cwd=environment)
