"""The memory of a run, beyond the interpreter with gesso imported, is the file, the cache and at most 50 MB."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from gesso.files.gguf_writer import write_gguf
from gesso.files.hf.names import NAMES
from gesso.files.presets import stays_float32
from gesso.files.tensor import Tensor
from python import tiny_model

if not Path("/proc/self/status").exists():
    pytest.skip("measures memory through /proc", allow_module_level=True)

MB = 1 << 20
CANVAS_LENGTH, VOCABULARY = 64, 65536
BLOCK = np.dtype([("scale", "<f2"), ("values", "i1", 32)])  # a block of Q8_0


def random_tensors(sizes: tiny_model.Sizes, dtype: str) -> Iterator[Tensor]:
    """The tensors of a random model. Matrices are float32, or Q8_0 blocks of random bytes."""
    rng = np.random.default_rng(0)
    for name, shape in tiny_model.tensor_shapes(sizes):
        if dtype == "F32" or stays_float32(name, shape):
            values = rng.standard_normal(shape, np.float32)
            values = 1 + values / 10 if len(shape) == 1 else values / np.float32(shape[-1] ** 0.5)
            yield Tensor(name, "F32", shape, values.astype(np.float32))
            continue
        blocks = np.frombuffer(rng.bytes(int(np.prod(shape)) // 32 * BLOCK.itemsize), BLOCK).copy()
        blocks["scale"] = shape[-1] ** -0.5 / 74  # 74 is the standard deviation of the random bytes
        yield Tensor(name, "Q8_0", shape, blocks.reshape(*shape[:-1], -1).view(np.uint8))


def model_sizes(num_experts: int) -> tiny_model.Sizes:
    """A model that consists mostly of experts."""
    return tiny_model.Sizes(
        vocab_size=VOCABULARY,
        canvas_length=CANVAS_LENGTH,
        hidden_size=128,
        moe_intermediate_size=512,
        num_experts=num_experts,
        layer_types=("sliding_attention", "full_attention"),
    )


def write_folder(folder: Path, sizes: tiny_model.Sizes) -> None:
    """Writes a Hugging Face checkpoint in bfloat16."""
    pairs = [(new, old) for old, new in NAMES.items()]
    hf_names = {new.replace(".N.", f".{i}."): old.replace(".N.", f".{i}.") for new, old in pairs for i in (0, 1)}
    tensors = {hf_names[t.name]: t.data.astype(ml_dtypes.bfloat16) for t in random_tensors(sizes, "F32")}
    save_file(tensors, folder / "model.safetensors")
    others = ("max_denoising_steps", "canvas_length")
    text = {name: getattr(sizes, name) for name in sizes.__dataclass_fields__ if name not in others}
    text |= {"num_hidden_layers": len(sizes.layer_types)}
    root = {"model_type": "diffusion_gemma", "text_config": text, "canvas_length": CANVAS_LENGTH}
    (folder / "config.json").write_text(json.dumps(root))


@pytest.fixture
def large_model(request, tmp_path) -> Iterator[Path]:
    """A checkpoint of more than 100 MB, so that a second copy of it would exceed the bound."""
    path = tmp_path / "model.gguf"
    if request.param == "folder":
        path = tmp_path
        write_folder(path, model_sizes(num_experts=160))
    else:
        sizes = model_sizes(num_experts=64 if request.param == "F32" else 256)
        write_gguf(path, tiny_model.model_metadata(sizes), random_tensors(sizes, request.param))
    yield path
    for file in tmp_path.iterdir():
        file.unlink()


MEASURE = """
import json, os, re, sys
import numpy as np
import gesso
from gesso.loading import open_checkpoint

def memory(field):
    return int(re.search(rf"^{field}:\\s+(\\d+) kB", open("/proc/self/status").read(), re.M)[1]) * 1024

path, batch_size, activations = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # starts the peak anew
start_rss, start_anon = memory("VmRSS"), memory("RssAnon")
model = gesso.load(path, "cpu", activations=activations)
loaded_anon = memory("RssAnon")
session = model.session(batch_size)
anon = []
prompts = np.random.default_rng(0).integers(0, 60000, (batch_size, 150)).tolist()
session.generate(prompts, max_new_tokens=1, max_denoising_steps=2, on_step=lambda e: anon.append(memory("RssAnon")))
peak = memory("VmHWM")
checkpoint = open_checkpoint(path)
mapped = []
for line in open("/proc/self/maps"):
    if os.path.realpath(path) in line:
        mapped.append([int(x, 16) for x in line.split()[0].split("-")])
print(json.dumps({
    "peak": peak - start_rss,
    "anon": max(anon) - start_anon,
    "loaded_anon": loaded_anon - start_anon,
    "cache": session.cache_bytes,
    "mapped": sum(t.num_bytes for t in checkpoint.tensors
                  if any(a <= t.address and t.address + t.num_bytes <= b for a, b in mapped)),
}))
"""


# In a batch of 4 the logits would take 64 MB, more than is allowed.
CASES = [("F32", 4), ("Q8_0", 4), ("folder", 1)]


@pytest.mark.parametrize(("large_model", "batch_size"), CASES, indirect=["large_model"])
def test_peak_memory(large_model, batch_size):
    files = large_model.iterdir() if large_model.is_dir() else [large_model]
    file_bytes = sum(file.stat().st_size for file in files)
    assert file_bytes > 100 * MB
    for activations in ("f32", "int8"):
        check_memory(large_model, batch_size, activations, file_bytes)


def check_memory(path, batch_size, activations, file_bytes):
    command = [sys.executable, "-c", MEASURE, str(path), str(batch_size), activations]
    figures = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300).stdout)
    allowed = figures["cache"] + 50 * MB
    assert figures["peak"] <= file_bytes + allowed, figures
    # The peak includes the mapped part of the file. This is the memory without it.
    assert figures["anon"] <= allowed, figures
    # The weights are used in the file's mapping, without a copy. Only a folder's norms, stored as bfloat16, become
    # float32.
    assert figures["loaded_anon"] < file_bytes / 10, figures
    assert figures["mapped"] > 0.99 * file_bytes, figures
