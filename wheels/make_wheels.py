"""Builds the wheels of gesso into build/wheels, and tries each in a fresh environment:

    cp310, cp311   for one version of Python each
    abi3           for Python 3.12 and all later versions
    cuda           the same with the CUDA backend, of the objects of `make cuda`
    aarch64        the same for 64-bit Arm, of the objects of `make aarch64`, tried on an emulated processor

Pythons that are not found here, and wheels that cannot be made, are named at the end.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from pythons import VERSIONS, find_pythons
from try_wheel import ArmPython, Python, try_wheel

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build/wheels"
STABLE = (3, 12)  # the first version for whose stable interface modules are compiled
# Without --plat, auditwheel takes the oldest systems that have all that the libraries in the wheel need.
AUDITWHEEL = [sys.executable, "-m", "auditwheel"]


@dataclass
class Wheel:
    name: str
    build_python: Path  # runs the build, and its headers count where the defines name no others
    try_pythons: list[Python]
    defines: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


def run(*command, **environment: str) -> None:
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # cmake and ninja of `make`
    subprocess.run(command, check=True, env=os.environ | {"PATH": paths} | environment)


def requirements(name: str) -> list[str]:
    """A list of pyproject.toml, each of which is one line."""
    (line,) = re.findall(rf"^{name} = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    return re.findall(r'"([^"]+)"', line)


def build_environment(python: Path) -> Path:
    """A Python like this one that has what builds gesso."""
    folder = OUT / "environments" / f"build-{python.name}"
    if not folder.exists():
        run(python, "-m", "venv", folder)
    # An earlier run may have been interrupted here, or the requirements may have changed.
    packages = [*requirements("requires"), *requirements("stub")]
    run(folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
    return folder / "bin/python"


def build(wheel: Wheel) -> Path:
    """The finished wheel, whose name says which systems it runs on."""
    raw = OUT / "raw" / wheel.name
    shutil.rmtree(raw, ignore_errors=True)
    settings = {f"cmake.define.{name}": value for name, value in wheel.defines.items()} | wheel.settings
    settings["build-dir"] = f"{OUT}/objects/{wheel.name}"
    flags = [f"--config-settings={name}={value}" for name, value in settings.items()]
    run(
        *(build_environment(wheel.build_python), "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
        *("--no-build-isolation", "--no-deps", *flags, "-w", raw, ROOT),
        **wheel.environment,
    )
    (made,) = raw.glob("*.whl")
    done = OUT / wheel.name
    shutil.rmtree(done, ignore_errors=True)
    run(*AUDITWHEEL, "repair", "--wheel-dir", done, made)
    (repaired,) = done.glob("*.whl")
    run(sys.executable, ROOT / "tests/lint/check_wheel.py", repaired)
    return repaired


def cached(folder: Path, name: str) -> str | None:
    """A variable of a build folder."""
    cache = folder / "CMakeCache.txt"
    found = re.search(rf"^{name}:\w+=(.*)$", cache.read_text(), re.MULTILINE) if cache.exists() else None
    return found[1] if found else None


def with_cuda(objects: Path, cuda_objects: Path) -> dict[str, str] | None:
    """The defines of a wheel with CUDA: those of that build folder."""
    compiler = cached(cuda_objects, "CMAKE_CUDA_COMPILER")
    architectures = cached(cuda_objects, "GESSO_CUDA_ARCHITECTURES")
    if not compiler or not architectures:
        return None
    return {
        "GESSO_CUDA": "ON",
        "CMAKE_CUDA_COMPILER": compiler,
        "GESSO_CUDA_ARCHITECTURES": architectures,
        "GESSO_OBJECTS_FROM": f"{cuda_objects};{objects};{OUT}/objects/abi3",
    }


def for_arm(arm_objects: Path, arm_python: Path) -> dict[str, str]:
    return {
        "GESSO_CUDA": "OFF",
        "CMAKE_TOOLCHAIN_FILE": str(ROOT / "cmake/aarch64.cmake"),
        "CMAKE_DISABLE_PRECOMPILE_HEADERS": "ON",
        "Python_INCLUDE_DIR": str(arm_python / "root/usr/include/python3.13"),
        "GESSO_OBJECTS_FROM": str(arm_objects),
    }


def plan(options: argparse.Namespace) -> tuple[list[Wheel], list[str]]:
    """The wheels to make, and a line about everything that is missing."""
    found = find_pythons()
    missing = [f"Python {'.'.join(map(str, version))} was not found" for version in VERSIONS if version not in found]
    cpu = {"GESSO_CUDA": "OFF", "GESSO_OBJECTS_FROM": str(options.objects)}
    wheels = [
        Wheel(f"cp3{version[1]}", path, [Python(path)], cpu) for version, path in found.items() if version < STABLE
    ]
    stable = [path for version, path in found.items() if version >= STABLE]
    if not stable:
        return wheels, [*missing, "no wheel for later versions, with CUDA, or for Arm: they need Python 3.12 or newer"]
    every = [Python(path) for path in stable]
    wheels.append(Wheel("abi3", stable[0], every, cpu))
    if defines := with_cuda(options.objects, options.cuda_objects):
        wheels.append(Wheel("cuda", stable[0], every[-1:], defines, {"wheel.build-tag": "1cuda13"}))
    else:
        missing.append(f"no wheel with CUDA: {options.cuda_objects} has no objects; `make cuda` makes them")
    if cached(options.arm_objects, "GESSO_BINDS") and (options.arm_python / "python").exists():
        arm = [ArmPython(options.arm_python)]
        platform = {"_PYTHON_HOST_PLATFORM": "linux-aarch64"}
        wheels.append(Wheel("aarch64", stable[0], arm, for_arm(options.arm_objects, options.arm_python), {}, platform))
    else:
        missing.append(f"no wheel for Arm: {options.arm_objects} has no module; `make aarch64` makes it")
    return wheels, missing


def make(wheel: Wheel) -> str:
    """A line about the wheel: its name, its size and the seconds that it took."""
    start = time.monotonic()
    path = build(wheel)
    built = time.monotonic()
    for python in wheel.try_pythons:
        try_wheel(path, python, OUT / "environments" / f"try-{wheel.name}")
    times = f"built in {built - start:.0f} s, tried in {time.monotonic() - built:.0f} s"
    return f"{path.name}  {path.stat().st_size / 1e6:.2f} MB, {times}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("objects", "package"), ("cuda-objects", "cuda"), ("arm-objects", "aarch64")):
        parser.add_argument(f"--{name}", type=Path, default=ROOT / "build" / default, help="a build folder")
    parser.add_argument("--arm-python", type=Path, default=ROOT / "build/arm-python", help="made by arm_python.py")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="make these alone")
    options = parser.parse_args()
    for name in ("objects", "cuda_objects", "arm_objects", "arm_python"):
        setattr(options, name, getattr(options, name).resolve())
    wheels, missing = plan(options)
    lines = [make(wheel) for wheel in wheels if not options.only or wheel.name in options.only]
    print("\n".join([*lines, *(f"MISSING: {line}" for line in missing)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
