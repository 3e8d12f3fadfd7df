"""Packs what the check needs on a bare machine into one file, and unpacks it there.

    python -m gpu_check.kit pack BUILD KIT.tar.xz [--packages FOLDER] [--rehearsal]
    python -m gpu_check.kit unpack KIT.tar.xz FOLDER

BUILD is a build folder of the preset gpu-kit, or of the preset emulated for a rehearsal. `pack` needs the package gesso
and GNU tar, `unpack` only Python. The kit has programs, answers of small models, and, if BUILD has them, Python's
modules.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from gpu_check.setting import ROOT, says

PROGRAMS = ("tools/gesso-bench", "bench/gpu/gesso_gpu_answers", "tests/schedules/engine_schedules")
# The kit and the tracked files together, as they travel.
MAX_BYTES = 50_000_000
# Programs share most of their code. A dictionary as large as all of them lets xz store it once.
XZ = "xz --threads=1 --lzma2=preset=9,dict=192MiB,nice=273"
FAST_XZ = "xz --threads=2 -0"
# What the packages have for their own tests, for compilers, for a network, to read YAML faster, and to colour programs
# in other languages than Python.
NOT_NEEDED = ("__pycache__", "tests", "f2py", "*.pyi", "*.h", "*.a", "_simd.*.so", "_yaml.*.so", "_*_builtins.py")
NOT_NEEDED += ("requests", "urllib3", "charset_normalizer", "idna", "certifi")


def pack(build: Path, target: Path, packages: Path | None, is_rehearsal: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        stage = Path(name)
        about = fill(stage, build, packages, is_rehearsal)
        (stage / "kit.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        compress = FAST_XZ if is_rehearsal else XZ
        archive = ["tar", "--sort=name", "-I", compress, "-C", name, "-cf", str(target), "."]
        subprocess.run(archive, check=True)
    tree = len(subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout)
    size = target.stat().st_size
    print(f"{target}: {size / 1e6:.1f} MB, with the tracked files {(size + tree) / 1e6:.1f} MB")
    if size + tree > MAX_BYTES and not is_rehearsal:
        sys.exit(f"expected at most {MAX_BYTES / 1e6:.0f} MB together")


def fill(stage: Path, build: Path, packages: Path | None, is_rehearsal: bool) -> dict[str, Any]:
    """Puts everything into the folder `stage`. Returns what the kit says about itself."""
    from gpu_check.answers import write_all  # needs gesso and NumPy, which a bare machine may lack

    (stage / "bin").mkdir()
    for program in PROGRAMS:
        shutil.copy(build / program, stage / "bin")
    has_module = bool(list((build / "site/gesso").glob("_ops*.so")))
    if has_module:
        # The bundled models are among the tracked files, from where `unpack` takes them.
        shutil.copytree(build / "site", stage / "site", ignore=shutil.ignore_patterns("__pycache__", "*.gguf"))
    if packages:
        shutil.copytree(packages, stage / "packages", ignore=shutil.ignore_patterns(*NOT_NEEDED))
    return {
        "commit": says("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40"),
        "is_rehearsal": is_rehearsal,
        "has_python_module": has_module,
        "answers": write_all(stage / "answers"),
    }


def unpack(archive: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive, "r:xz") as tar:
        # Python 3.11.3 and earlier, as in Debian 12, have no filters, and ignore this.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)
    if (folder / "site").exists():
        for model in (ROOT / "python/gesso/bundled").glob("*.gguf"):
            shutil.copy(model, folder / "site/gesso/bundled")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("build", type=Path)
    packing.add_argument("target", type=Path)
    packing.add_argument("--packages", type=Path, help="a folder with packages for tests, as pip installs them")
    packing.add_argument("--rehearsal", action="store_true")
    unpacking = commands.add_parser("unpack")
    unpacking.add_argument("archive", type=Path)
    unpacking.add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.command == "pack":
        pack(options.build, options.target, options.packages, options.rehearsal)
    else:
        unpack(options.archive, options.folder)


if __name__ == "__main__":
    main()
