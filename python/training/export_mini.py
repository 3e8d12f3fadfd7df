"""Writes weights of a training of "mini" as a GGUF file, and beside it as a Hugging Face folder.

python python/training/export_mini.py --weights build/mini/weights.safetensors --out build/mini/mini.gguf
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mini.checkpoint import load_weights
from mini.export import FILE_TYPES, write_folder, write_gguf
from mini.sizes import Sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the GGUF file, whose name ends with .gguf")
    parser.add_argument("--type", choices=sorted(FILE_TYPES), default="Q8_0", help="of the matrices")
    arguments = parser.parse_args()
    folder = arguments.out.with_suffix("")
    if arguments.out.suffix != ".gguf" or arguments.out.is_dir():
        parser.error(f"--out: expected the name of a GGUF file, such as {folder}.gguf, got {arguments.out}")
    weights, progress = load_weights(arguments.weights)
    sizes = Sizes(vocab=len(weights["embed_tokens.weight"]))
    write_folder(folder, weights, sizes)
    write_gguf(folder, arguments.out, arguments.type)
    print(f"wrote {arguments.out} ({arguments.out.stat().st_size} bytes) from step {progress.step}")


if __name__ == "__main__":
    main()
