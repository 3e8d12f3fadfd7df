"""Writes a GGUF file like `gesso synth`, but with holes in place of the matrices, which take no time and no disk.

    python bench/gpu/sparse_model.py OUT.gguf [--quant Q4_K_M] [--preset 26b-a4b] [--layers N]

The GPU benchmark fills the matrices on the device. The file has no other use, since its matrices read as zeros.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gesso.files.gguf_writer import _make_writer
from gesso.files.presets import PRESETS
from gesso.files.tensor import Tensor, stored_bytes, tensor_types
from gesso.synth.model import CONFIG_NAMES, CONFIGS, make_model


def write_sparse(path: Path, metadata: dict[str, object], tensors: list[Tensor]) -> None:
    with path.open("wb") as file:
        writer = _make_writer(file, metadata)
        for tensor in tensors:
            num_bytes = stored_bytes(tensor.dtype, tensor.shape)
            writer.add_tensor_info(tensor.name, tensor.shape, np.float32, num_bytes, tensor_types()[tensor.dtype].id)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        writer.write_padding(file, file.tell())
        for tensor in tensors:
            start, num_bytes = file.tell(), stored_bytes(tensor.dtype, tensor.shape)
            if len(tensor.shape) == 1:  # norms and scales, some of which the host reads
                file.write(np.ascontiguousarray(tensor.data).tobytes())
            end = start + num_bytes
            file.seek(end + -end % writer.data_alignment)
        file.truncate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--quant", type=str.upper, choices=list(PRESETS), default="Q4_K_M")
    parser.add_argument("--preset", choices=CONFIG_NAMES, default="26b-a4b")
    parser.add_argument("--config", type=Path, help="a folder with the config.json of another model")
    parser.add_argument("--layers", type=int, help="the first N layers only")
    options = parser.parse_args()
    directory = options.config or CONFIGS / options.preset
    write_sparse(options.target, *make_model(directory, options.quant, options.layers, seed=0))


if __name__ == "__main__":
    main()
