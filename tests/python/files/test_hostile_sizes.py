"""Files of a few bytes that state large sizes: they are refused by name, before anything of that size is made.

What a call may take is measured in a process of its own. The files are sparse: they take no room on the disk.
"""

import json
import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import gesso
from gesso import _native
from gesso.files.hf.folder import read_checkpoint
from python.expect import raises
from python.tiny_model import tiny_model

MB = 1 << 20
STRING, ARRAY, U8 = 8, 9, 0


def in_a_process(code, *arguments, timeout=60):
    """Runs `code`, with the arguments in `sys.argv`. Returns by how many MB the memory grew, and what was printed.

    A quadratic loop takes longer than `timeout` seconds.
    """
    program = (
        "import resource, sys; import gesso, numpy; from gesso import _native\n"
        "from gesso.files.hf.folder import read_checkpoint\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nbefore = peak()\n"
        f"try:\n    {code}\nexcept (ValueError, OSError) as error:\n    print(error)\n"
        "print((peak() - before) // 1024)"
    )
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    *printed, grown = done.stdout.splitlines()
    return int(grown), "\n".join(printed)


def sparse(path: Path, start: bytes, size: int) -> Path:
    """Writes a file that begins with `start` and goes on with zeros."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    return path


def gguf_with_array(path: Path, element_type: int, count: int, element_bytes: int) -> Path:
    """Writes a GGUF file with one key, an array of zeros or of empty strings."""
    key = b"diffusion-gemma.attention.head_count_kv"
    start = struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, len(key)) + key + struct.pack("<IIQ", ARRAY, element_type, count)
    return sparse(path, start, len(start) + count * element_bytes)


def write_folder(path: Path, *, rows=16, tokenizer=None, **text) -> Path:
    """Writes a checkpoint folder that has an embedding of `rows` rows and nothing else."""
    path.mkdir()
    sizes = {"num_experts": 2, "top_k_experts": 1, "moe_intermediate_size": 8, "hidden_size": 8, "vocab_size": 16}
    root = {key: text.pop(key) for key in ("canvas_length", "eos_token_id") if key in text}
    config = {"model_type": "diffusion_gemma", "text_config": sizes | text} | root
    (path / "config.json").write_text(json.dumps(config))
    save_file({"model.decoder.embed_tokens.weight": np.zeros((rows, 8), np.float32)}, path / "model.safetensors")
    if tokenizer is not None:
        (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    return path


TOKENIZER = {
    "model": {"type": "BPE", "byte_fallback": True, "vocab": {"a": 0}, "merges": []},
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
}


@pytest.mark.parametrize(("vocab_size", "named"), [(1 << 24, "vocab_size"), (1 << 20, "embed_tokens.weight")])
def test_a_folder_does_not_choose_the_length_of_lists(tmp_path, vocab_size, named):
    folder = write_folder(tmp_path / "model", vocab_size=vocab_size, tokenizer=TOKENIZER)
    grown, printed = in_a_process("read_checkpoint(sys.argv[1])", folder)
    assert named in printed
    assert str(vocab_size) in printed
    assert grown < 40


def test_an_array_of_bytes_takes_no_more_than_its_bytes(tmp_path):
    path = gguf_with_array(tmp_path / "a.gguf", U8, 100 * MB, 1)
    grown, printed = in_a_process(
        "print([v.dtype for v in _native.Checkpoint.open(sys.argv[1].encode()).metadata.values()])", path
    )
    assert "uint8" in printed
    assert grown < 250  # the copy, and the pages of the file
    grown, printed = in_a_process("gesso.load(sys.argv[1])", path)
    assert "general.architecture" in printed
    assert grown < 40


@pytest.mark.parametrize("count", [_native.MAX_STRINGS + 1, 10**7])
def test_the_number_of_strings_is_limited(tmp_path, count):
    path = gguf_with_array(tmp_path / "a.gguf", STRING, count, 8)
    with raises(gesso.FormatError, "at most", str(_native.MAX_STRINGS), str(count)):
        gesso.load(path)


def test_many_tensors_take_linear_time():
    # Comparing each name with all before it would take minutes.
    code = (
        "c = _native.Checkpoint(); z = numpy.zeros(4, numpy.uint8)\n"
        "    for i in range(200_000): c.add_tensor(f'n{i}', 'F32', [1], z, z)\n"
        "    c.add_tensor('n7', 'F32', [1], z, z)"
    )
    _, printed = in_a_process(code)
    assert "tensor n7 is there twice" in printed


@pytest.mark.parametrize("steps", [4097, 2**30, 2**40])
def test_a_checkpoint_does_not_choose_endless_steps(tmp_path, steps):
    path = tiny_model(tmp_path / "a.gguf", metadata={"diffusion.eb_max_steps": np.uint64(steps)})
    with raises(gesso.FormatError, "diffusion.eb_max_steps", "from 1 to 4096", str(steps)):
        gesso.load(path)


SIZES = [
    "block_count", "context_length", "embedding_length", "feed_forward_length", "expert_feed_forward_length",
    "attention.head_count", "attention.head_count_kv", "attention.sliding_window", "attention.key_length",
    "attention.key_length_swa", "expert_count", "expert_used_count", "vocab_size", "attention.sliding_window_pattern",
]  # fmt: skip


@pytest.mark.parametrize("key", [*(f"diffusion-gemma.{name}" for name in SIZES), "diffusion.canvas_length"])
def test_no_size_of_a_file_is_endless(tmp_path, key):
    for size in (np.uint64(2**62), np.int64(-1), np.uint64(65536 if "canvas" in key else 2**40), np.uint64(2**31 + 1)):
        path = tiny_model(tmp_path / "a.gguf", metadata={key: size})
        with raises(gesso.FormatError, key.replace("_swa", ""), str(size)):
            gesso.load(path)


FIELDS = [
    "num_hidden_layers", "max_position_embeddings", "hidden_size", "intermediate_size", "moe_intermediate_size",
    "num_attention_heads", "num_key_value_heads", "sliding_window", "head_dim", "global_head_dim", "num_experts",
    "top_k_experts", "vocab_size", "canvas_length",
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_no_size_of_a_folder_is_endless(tmp_path, field):
    for number, value in enumerate([10**30, 2**31, -1, 0, 1.5, True, "8", [8], float("inf"), float("nan")]):
        folder = write_folder(tmp_path / str(number), **{field: value})
        with raises(ValueError, "config.json", field):
            read_checkpoint(folder)


def test_lists_of_a_folder_are_limited(tmp_path):
    with raises(ValueError, "eos_token_id", "at most 1024"):
        read_checkpoint(write_folder(tmp_path / "ends", eos_token_id=[1] * 1025))
    vocab = {f"t{i}": 0 for i in range(17)}
    tokenizer = TOKENIZER | {"model": TOKENIZER["model"] | {"vocab": vocab}}
    with raises(ValueError, "tokenizer.json", "vocab_size 16", "17"):
        read_checkpoint(write_folder(tmp_path / "tokens", tokenizer=tokenizer))
    folder = write_folder(tmp_path / "names")
    names = {str(i): "model.safetensors" for i in range(_native.MAX_TENSORS + 1)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    with raises(ValueError, "index.json", f"at most {_native.MAX_TENSORS} tensors"):
        read_checkpoint(folder)


def test_messages_stay_short(tmp_path):
    with pytest.raises(ValueError, match="head_dim") as error:
        read_checkpoint(write_folder(tmp_path / "model", head_dim="8" * MB))
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("name", "start", "size", "limit"),
    [
        ("config.json", b"{}", _native.MAX_JSON_BYTES + 1, _native.MAX_JSON_BYTES),
        ("generation_config.json", b"{}", 1 << 40, _native.MAX_JSON_BYTES),
        ("tokenizer.json", b"{}", _native.MAX_TOKENIZER_BYTES + 1, _native.MAX_TOKENIZER_BYTES),
        ("model.safetensors", struct.pack("<Q", 100 * MB), 200 * MB, _native.MAX_HEADER_BYTES),
        ("model.safetensors", struct.pack("<Q", 2**63), 100, _native.MAX_HEADER_BYTES),
    ],
)
def test_large_files_of_a_folder_are_not_read(tmp_path, name, start, size, limit):
    folder = write_folder(tmp_path / "model")
    sparse(folder / name, start, size)
    with raises(ValueError, name, f"at most {limit}"):
        list(read_checkpoint(folder).tensors())


def test_nesting_is_limited(tmp_path):
    folder = write_folder(tmp_path / "model")
    (folder / "generation_config.json").write_text('{"a":' + "[" * 200_000)
    with raises(ValueError, "generation_config.json", "malformed JSON"):
        read_checkpoint(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return gesso.load(tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf"))


@pytest.mark.parametrize("batch_size", [4097, 10**9, 2**40, 2**63, 2**64, 10**30])
def test_a_session_of_too_many_sequences(model, batch_size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with raises(gesso.ArgumentError, "batch_size", "1 to 4096", str(batch_size)):
        model.session(batch_size)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024


def test_the_largest_session(model):
    assert model.session(_native.MAX_BATCH).batch_size == 4096
    with pytest.raises(TypeError, match="batch_size"):
        model.session(True)


def test_prompts_are_counted_before_they_are_read(model):
    read = []

    def endless():
        while True:
            read.append(None)
            yield [1]

    with raises(gesso.ArgumentError, "prompts", "at most 4096"):
        model.generate(endless(), max_new_tokens=1)
    assert len(read) == 4097


@pytest.mark.parametrize("name", ["max_new_tokens", "max_denoising_steps", "stability_threshold"])
@pytest.mark.parametrize("value", [2**63, 10**30, -(2**63) - 1])
def test_options_beyond_64_bits(model, name, value):
    with raises(gesso.ArgumentError, name, str(value)):
        model.generate([1], **{name: value})


@pytest.mark.parametrize(("name", "value"), [("max_new_tokens", 2**62), ("max_denoising_steps", 2**30 + 1)])
def test_options_near_the_limits(model, name, value):
    with raises(gesso.ArgumentError, name, str(value)):
        model.generate([1], **{name: value})


@pytest.mark.parametrize("num_threads", [4097, 2**31, 2**40, 10**30])
def test_too_many_threads(tmp_path, num_threads):
    with raises(gesso.ArgumentError, "num_threads", "1 to 4096", str(num_threads)):
        gesso.load(tiny_model(tmp_path / "a.gguf"), num_threads=num_threads)
