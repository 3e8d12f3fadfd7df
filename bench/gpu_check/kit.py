"""Packs what the check needs on a bare machine into one file, and unpacks it there.

    python -m gpu_check.kit pack BUILD KIT.tar.xz [--packages FOLDER] [--rehearsal]
    python -m gpu_check.kit unpack KIT.tar.xz FOLDER

BUILD is a build folder of the preset gpu-kit, or of the preset emulated for a rehearsal. `pack` needs the package gesso
and GNU tar, `unpack` only Python. The kit has programs, Python's modules if BUILD has them, answers of small models,
and models without weights: files with holes, which the card fills with random numbers.
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

PROGRAMS = ("bench/gpu/gesso_gpu_bench", "bench/gpu/gesso_gpu_answers", "tests/schedules/engine_schedules")
# Name, preset and number of layers. Six layers have one that sees all tokens, and more weights than any L2 cache holds.
MODELS = [("layer", "Q4_K_M", 1), ("ops", "Q4_K_M", 6), ("q4_k_m", "Q4_K_M", None), ("q8_0", "Q8_0", None)]
REHEARSED_LAYERS = 6
REHEARSED_SIZES = {
    "vocab_size": 2048,
    "hidden_size": 256,
    "intermediate_size": 192,
    "moe_intermediate_size": 64,
    "num_hidden_layers": REHEARSED_LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "num_global_key_value_heads": 1,
    "head_dim": 64,
    "global_head_dim": 64,
    "num_experts": 8,
    "top_k_experts": 2,
    "sliding_window": 64,
    "max_position_embeddings": 4096,
}
# The kit and the tracked files together, as they travel.
MAX_BYTES = 50_000_000
# Programs share most of their code. A dictionary as large as all of them lets xz store it once.
XZ = "xz --threads=1 --lzma2=preset=4,dict=192MiB"
FAST_XZ = "xz --threads=2 -0"


def pack(build: Path, target: Path, packages: Path | None, is_rehearsal: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        stage = Path(name)
        about = fill(stage, build, packages, is_rehearsal)
        (stage / "kit.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        compress = FAST_XZ if is_rehearsal else XZ
        archive = ["tar", "--sparse", "--sort=name", "-I", compress, "-C", name, "-cf", str(target), "."]
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
        shutil.copytree(build / "site", stage / "site", ignore=shutil.ignore_patterns("__pycache__"))
    if packages:
        shutil.copytree(packages, stage / "packages", ignore=shutil.ignore_patterns("__pycache__", "tests", "*.pyi"))
    (stage / "models").mkdir()
    for name, quant, layers in MODELS:
        make_model(stage / "models" / f"{name}.gguf", quant, REHEARSED_LAYERS if is_rehearsal else layers, is_rehearsal)
    return {
        "commit": says("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40"),
        "is_rehearsal": is_rehearsal,
        "has_python_module": has_module,
        "answers": write_all(stage / "answers"),
    }


def make_model(path: Path, quant: str, layers: int | None, is_rehearsal: bool) -> None:
    command = [sys.executable, str(ROOT / "bench/gpu/sparse_model.py"), str(path), "--quant", quant]
    if layers:
        command += ["--layers", str(layers)]
    with tempfile.TemporaryDirectory() as config:
        if is_rehearsal:
            write_small_config(Path(config))
            command += ["--config", config]
        subprocess.run(command, check=True)


def write_small_config(folder: Path) -> None:
    """The published configuration with sizes that the emulator can run."""
    config = json.loads((ROOT / "python/gesso/synth/26b-a4b/config.json").read_text(encoding="utf-8"))
    config |= {"canvas_length": 32, "image_token_id": 2000}
    config["text_config"] |= REHEARSED_SIZES
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def unpack(archive: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive, "r:xz") as tar:
        tar.extractall(folder, filter="data")


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
