"""How well and how fast gesso quantises, compared with the package gguf and with ggml's own C quantisers.

    python bench/quantize_error.py [--ggml PATH/libggml-base.so] [--types Q4_K,Q6_K] [-o json]

Each figure is gesso's sum of importance * (value - stored value)^2, divided by the other quantiser's sum on the same
rows. A figure below 1 means that gesso is better. Without --ggml the library is looked for in an installed llama_cpp
package. `-` means that the other quantiser does not write the type, or does not take an importance.
"""

import argparse
import ctypes
import importlib.util
import json
import time
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize, quantize

from gesso import _native

TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
TYPES += ["IQ4_NL", "IQ4_XS", "MXFP4", "NVFP4"]
COLUMNS = 2048


def gaussian(rng, shape):
    return rng.standard_normal(shape)


def laplace(rng, shape):
    return rng.laplace(size=shape)


def outliers(rng, shape):
    """One value in a hundred is ten to twenty times larger than the others."""
    return rng.standard_normal(shape) * np.where(rng.random(shape) < 0.01, rng.uniform(10, 20, shape), 1)


DISTRIBUTIONS = (gaussian, laplace, outliers)


class Ggml:
    """The function ggml_quantize_chunk of a shared library."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.library.ggml_quantize_chunk.restype = ctypes.c_size_t

    def quantize(self, name, rows, importance):
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        out = np.zeros((len(rows), rows.shape[1] // elements * size), np.uint8)
        self.library.ggml_quantize_init(ctypes.c_int(kind))
        pointers = [array if array is None else array.ctypes.data_as(ctypes.c_void_p) for array in (rows, importance)]
        self.library.ggml_quantize_chunk(
            ctypes.c_int(kind),
            pointers[0],
            out.ctypes.data_as(ctypes.c_void_p),
            *[ctypes.c_int64(n) for n in (0, len(rows), rows.shape[1])],
            pointers[1],
        )
        return out


def find_ggml():
    spec = importlib.util.find_spec("llama_cpp")
    found = sorted(Path(spec.origin).parent.glob("lib/libggml-base.*")) if spec and spec.origin else []
    return found[0] if found else None


def error(name, rows, importance, blocks):
    decoded = dequantize(blocks, gguf.GGMLQuantizationType[name]).astype(np.float64)
    return float(((rows - decoded) ** 2 * (1 if importance is None else importance)).sum())


def by_gesso(name, rows, importance):
    data = _native.quantize("F32", rows.view(np.uint8).ravel(), name, COLUMNS, importance=importance, num_threads=1)
    return data.reshape(len(rows), -1)


def by_gguf(name, rows, importance):
    if importance is not None:
        return None
    try:
        return quantize(rows, gguf.GGMLQuantizationType[name])
    except NotImplementedError:
        return None


def measure(name, num_rows, ggml):
    for distribution in DISTRIBUTIONS:
        for weighted in (False, True):
            rng = np.random.default_rng(0)
            rows = distribution(rng, (num_rows, COLUMNS)).astype(np.float32)
            importance = rng.lognormal(size=COLUMNS).astype(np.float32) if weighted else None
            ours = error(name, rows, importance, by_gesso(name, rows, importance))
            result = {"type": name, "rows": distribution.__name__, "importance": weighted}
            start = time.perf_counter()
            by_gesso(name, rows, importance)
            result["million_per_s"] = rows.size / (time.perf_counter() - start) / 1e6
            others = {"gguf": by_gguf(name, rows, importance), "ggml": ggml and ggml.quantize(name, rows, importance)}
            for other, blocks in others.items():
                result[other] = None if blocks is None else ours / error(name, rows, importance, blocks)
            yield result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ggml", type=Path, default=find_ggml(), help="path of libggml-base")
    parser.add_argument("--types", default=",".join(TYPES))
    parser.add_argument("--num-rows", type=int, default=128, help=f"rows of {COLUMNS} values")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    options = parser.parse_args()
    ggml = Ggml(options.ggml) if options.ggml else None
    results = [result for name in options.types.split(",") for result in measure(name, options.num_rows, ggml)]
    if options.output == "json":
        print(json.dumps(results, indent=1))
        return
    print("type     rows      importance   / gguf   / ggml   million values per s and thread")
    for r in results:
        ratios = "".join(f"{r[key]:9.4f}" if r[key] else "        -" for key in ("gguf", "ggml"))
        weighted = "yes" if r["importance"] else "no"
        print(f"{r['type']:8} {r['rows']:9} {weighted:10}{ratios}   {r['million_per_s']:6.1f}")


if __name__ == "__main__":
    main()
