"""Where the parts of the check find what they run: the unpacked kit, the tools of this machine, and how much to run."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Setting:
    archive: Path  # the kit, as `make gpu-kit` or `make gpu-rehearse` has packed it
    work: Path  # a folder for the unpacked kit and for what parts write
    is_rehearsal: bool  # no card: the kit is built for the emulator, and parts do less

    @property
    def kit(self) -> Path:
        return self.work / "kit"

    @property
    def records(self) -> Path:
        """Where gesso-bench writes what it measures."""
        return self.work / "measured.json"

    def program(self, name: str) -> str:
        return str(self.kit / "bin" / name)

    @property
    def environment(self) -> dict[str, str]:
        paths = [self.kit / "site", self.kit / "packages", ROOT / "bench"]
        return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONUNBUFFERED": "1"}

    @property
    def about_kit(self) -> dict[str, Any]:
        """What the kit says about itself; nothing before it is unpacked."""
        file = self.kit / "kit.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def missing(self, need: str) -> str:
        """Why there is not what a part needs; empty if there is. `need` is "archive", "kit", "python" or a program."""
        if need == "archive":
            made_by = "make gpu-rehearse" if self.is_rehearsal else "make gpu-kit"
            return "" if self.archive.is_file() else f"no {self.archive}, which `{made_by}` packs"
        if need == "kit":
            return "" if self.about_kit else "no kit is unpacked"
        if need == "python":
            return self.python_problem
        return "" if shutil.which(need) else f"no {need} on this machine"

    @cached_property
    def python_problem(self) -> str:
        """Why this Python cannot import the kit's module and the packages for tests; empty if it can."""
        code = "import gesso, numpy, pytest, xdist; from gesso import _ops"
        done = subprocess.run([sys.executable, "-c", code], env=self.environment, capture_output=True, text=True)
        return "" if done.returncode == 0 else f"no Python module: {done.stderr.strip().splitlines()[-1]}"

    @cached_property
    def machine(self) -> dict[str, str]:
        query = "--query-gpu=name,compute_cap,driver_version,memory.total,clocks.max.sm,clocks.max.memory"
        return {
            "gpu": says("nvidia-smi", query, "--format=csv,noheader"),
            "driver": says("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
            "nvcc": says("nvcc", "--version"),
            "python": platform.python_version(),
            "libc": " ".join(platform.libc_ver()),
            "system": platform.platform(),
            "processors": str(os.cpu_count()),
        }


def says(*command: str) -> str:
    """The last line that a program prints."""
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.strip().splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unknown: {error}"
    return lines[-1] if lines else "unknown: it printed nothing"
