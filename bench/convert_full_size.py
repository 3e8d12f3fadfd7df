"""Converts a made-up Hugging Face folder of the released model's size, and reports the time and memory that this takes.

    python bench/convert_full_size.py FOLDER [--layers N] [--preset Q4_K_M] [-o json]

The script first writes the folder: config.json, and for each layer a BF16 safetensors file with Gaussian values. With
all 30 layers the folder takes 51 GB of disk, and the converted file takes its own size in addition. Both are removed at
the end.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from gesso.files.hf.names import NAMES
from gesso.synth.model import CONFIGS
from gesso.synth.tensors import synth_metadata, tensor_shapes

POOL = 1 << 22  # number of values that are drawn; each tensor repeats them from a place of its own
HF_NAMES = {gguf: hf for hf, gguf in NAMES.items()}


def hf_name(name):
    """The Hugging Face name of a GGUF tensor, or None for a tensor that a folder does not have."""
    if not name.startswith("blk."):
        return HF_NAMES.get(name)
    _, layer, part = name.split(".", 2)
    return HF_NAMES[f"blk.N.{part}"].replace("N", layer, 1)


def write_shard(path, shapes, pool, rng):
    """Writes one safetensors file of BF16 tensors: header size (u64), JSON header, data."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)  # the package safetensors aligns the data in this way
    with open(path, "wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for shape in shapes.values():
            left = int(np.prod(shape))
            # Matrices are scaled so that products keep the size of their input. Vectors are ones.
            spread = 0 if len(shape) == 1 else shape[-1] ** -0.5
            values = pool * np.float32(spread) if spread else np.ones(left, np.float32)
            values = (values.view(np.uint32) >> 16).astype(np.uint16)
            while left:
                first = int(rng.integers(0, len(values))) if spread else 0
                piece = values[first : first + left]
                file.write(piece.tobytes())
                left -= len(piece)


def write_folder(folder, num_layers):
    source = CONFIGS / "26b-a4b"
    metadata, _ = synth_metadata(source, num_layers)
    config = json.loads((source / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = num_layers
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    rng = np.random.default_rng(0)
    pool = rng.standard_normal(POOL, np.float32)
    shards, weight_map = {}, {}
    for name, shape in tensor_shapes(metadata).items():
        if hf_name(name):
            shard = f"layer-{name.split('.')[1]}.safetensors" if name.startswith("blk.") else "other.safetensors"
            shards.setdefault(shard, {})[hf_name(name)] = shape
            weight_map[hf_name(name)] = shard
    for shard, shapes in shards.items():
        write_shard(folder / shard, shapes, pool, rng)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return sum((folder / shard).stat().st_size for shard in shards)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="made anew, and removed at the end")
    parser.add_argument(
        "--layers", type=int, choices=range(6, 31, 6), default=30, help="whole groups of 6; default: 30"
    )
    parser.add_argument("--preset", default="Q4_K_M")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    target = options.folder.with_suffix(".gguf")
    try:
        source_bytes = write_folder(options.folder, options.layers)
        command = ["convert", str(options.folder), str(target), "--preset", options.preset]
        start = time.monotonic()
        subprocess.run([sys.executable, "-m", "gesso", *command], check=True)
        result = {
            "layers": options.layers,
            "preset": options.preset,
            "source_bytes": source_bytes,
            "target_bytes": target.stat().st_size,
            "seconds": round(time.monotonic() - start, 1),
            "peak_resident_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        }
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)
        target.unlink(missing_ok=True)
    if options.output == "json":
        print(json.dumps(result))
    else:
        print(
            "\n".join(
                f"{name:>20}: {value:,}" if isinstance(value, (int, float)) else f"{name:>20}: {value}"
                for name, value in result.items()
            )
        )


if __name__ == "__main__":
    main()
