"""`gesso convert`: what the file holds, and that a run that fails or is killed leaves no file that looks complete."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import gguf
import numpy as np
import pytest

import gesso
from gesso.cli.program import main
from gesso.files import gguf_writer
from gesso.files.hf import folder as hf
from python.command_line import start

pytest.importorskip("ml_dtypes")

from python import hf_folders
from python.hf_folders import COMPRESSED, hf_folder

# The keys of the released files. MODEL_KEYS has those of the architecture.
KEYS = [f"general.{name}" for name in (
    "architecture", "type", "name", "size_label", "quantization_version", "file_type"
)] + ["diffusion.canvas_length", "tokenizer.chat_template"] + [f"tokenizer.ggml.{name}" for name in (
    "model", "tokens", "scores", "token_type", "merges", "bos_token_id", "eos_token_id", "unknown_token_id",
    "padding_token_id", "mask_token_id", "add_space_prefix", "add_bos_token"
)]  # fmt: skip
MODEL_KEYS = [
    "block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count",
    "attention.head_count_kv", "rope.freq_base", "rope.freq_base_swa", "attention.layer_norm_rms_epsilon",
    "expert_count", "expert_used_count", "attention.key_length", "attention.value_length", "final_logit_softcapping",
    "attention.sliding_window", "attention.shared_kv_layers", "embedding_length_per_layer_input",
    "attention.sliding_window_pattern", "attention.key_length_swa", "attention.value_length_swa",
    "expert_feed_forward_length", "rope.dimension_count", "rope.dimension_count_swa", "attention.causal",
]  # fmt: skip
SECOND = "model-00002-of-00002.safetensors"
SAMPLER = ["max_steps", "t_min", "t_max", "entropy_bound", "stability_threshold", "confidence_threshold"]
Q_PROJ = "model.decoder.layers.0.self_attn.q_proj.weight"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that the tests only read."""
    return hf_folder(tmp_path_factory.mktemp("convert") / "folder")


@pytest.fixture
def own_folder(tmp_path, folder):
    return shutil.copytree(folder, tmp_path / "own")


def convert(folder, out, *options):
    return main(["convert", str(folder), str(out), *map(str, options)])


def read(path):
    reader = gguf.GGUFReader(path)
    fields = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    return fields, {tensor.name: tensor for tensor in reader.tensors}


def fails(capsys, *arguments):
    """Runs the command, which must fail, and returns its message."""
    assert convert(*arguments) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("compression", ["bf16", *COMPRESSED])
def test_the_file_holds_what_the_reader_gives(tmp_path, compression):
    source = hf_folder(tmp_path / "source", compression)
    assert convert(source, tmp_path / "a.gguf") == 0
    _, tensors = read(tmp_path / "a.gguf")
    expected = {tensor.name: tensor for tensor in hf.read_checkpoint(source).tensors()}
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert tensors[name].tensor_type.name == tensor.dtype
        assert tuple(reversed(tensors[name].shape.tolist())) == tensor.shape
        assert tensors[name].data.tobytes() == tensor.data.tobytes()
    order = [int(name.split(".")[1]) if name.startswith("blk.") else -1 for name in tensors]
    assert order == sorted(order)
    assert set(os.listdir(tmp_path)) == {"source", "a.gguf"}


def test_the_file_has_every_key_of_the_released_ones(tmp_path, folder):
    assert convert(folder, tmp_path / "a.gguf") == 0
    fields, _ = read(tmp_path / "a.gguf")
    assert set(KEYS + [f"diffusion-gemma.{key}" for key in MODEL_KEYS]) <= fields.keys()
    assert len(KEYS) + len(MODEL_KEYS) == 44
    assert fields["general.file_type"] == 32
    assert fields["general.size_label"] == "4x142K"
    assert fields["tokenizer.ggml.scores"] == [-1000.0] * len(hf_folders.VOCABULARY)
    assert fields["tokenizer.chat_template"] == hf_folders.CHAT_TEMPLATE


def test_sampler_keys_are_the_folders_or_the_references_defaults(tmp_path, own_folder):
    def sampler():
        fields, _ = read(tmp_path / "a.gguf")
        return [pytest.approx(fields[f"diffusion.eb_{name}"], rel=1e-6) for name in SAMPLER]

    assert convert(own_folder, tmp_path / "a.gguf") == 0
    assert sampler() == [48, 0.4, 0.8, 0.1, 1, 0.005]
    (own_folder / "generation_config.json").write_text(json.dumps({"max_denoising_steps": 7, "t_min": 0.25}))
    assert convert(own_folder, tmp_path / "a.gguf") == 0
    assert sampler() == [7, 0.25, 0.8, 0.1, 1, 0.005]
    assert gesso.load(tmp_path / "a.gguf").config.max_denoising_steps == 7


def test_presets_and_overrides(tmp_path, folder, capsys):
    assert convert(folder, tmp_path / "a.gguf", "--preset", "q8_0", "--tensor", r"blk\.0\.attn_q=F16") == 0
    fields, tensors = read(tmp_path / "a.gguf")
    types = {name: tensor.tensor_type.name for name, tensor in tensors.items()}
    assert fields["general.file_type"] == 7
    assert (types["blk.1.attn_q.weight"], types["blk.0.attn_q.weight"]) == ("Q8_0", "F16")
    assert types["blk.0.ffn_gate_inp.weight"] == types["output_norm.weight"] == "F32"
    capsys.readouterr()
    assert convert(folder, tmp_path / "b.gguf", "--preset", "Q8_0", "--dry-run") == 0
    assert "blk.1.attn_q.weight" in capsys.readouterr().out
    assert not (tmp_path / "b.gguf").exists()


@pytest.mark.parametrize("compression", ["bf16", "modelopt-nvfp4"])
@pytest.mark.parametrize("preset", ["BF16", "Q4_K_M", "NVFP4"])
def test_one_step_two_steps_and_a_step_that_changes_nothing_give_the_same_file(tmp_path, compression, preset):
    source = hf_folder(tmp_path / "source", compression, hidden_size=256)
    assert convert(source, tmp_path / "plain.gguf") == 0
    assert convert(source, tmp_path / "a.gguf", "--preset", preset) == 0
    for start_from, result in (("plain", "b"), ("a", "c")):
        paths = [str(tmp_path / f"{name}.gguf") for name in (start_from, result)]
        assert main(["quantize", *paths, "--preset", preset]) == 0
    assert (
        (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes() == (tmp_path / "c.gguf").read_bytes()
    )


def test_wrong_usage(tmp_path, folder, capsys):
    with pytest.raises(SystemExit):
        convert(folder, tmp_path / "a.gguf", "--tensor", "attn_q=Q8_0")
    assert "need --preset" in capsys.readouterr().err
    (tmp_path / "a.gguf").touch()
    assert "expected a Hugging Face folder" in fails(capsys, tmp_path / "a.gguf", tmp_path / "b.gguf")
    assert "none/config.json: no such file" in fails(capsys, tmp_path / "none", tmp_path / "b.gguf")


def test_a_nan_cannot_go_into_blocks_and_its_tensor_is_named(tmp_path, capsys):
    weights = hf_folders.values()
    weights[Q_PROJ][3, 5] = np.nan
    source = hf_folder(tmp_path / "source", weights=weights)
    message = fails(capsys, source, tmp_path / "a.gguf", "--preset", "Q8_0")
    assert "blk.0.attn_q.weight" in message and "Q8_0" in message
    assert os.listdir(tmp_path) == ["source"]


def edit_json(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def missing_shard(folder):
    (folder / SECOND).unlink()


def index_of_another_folder(folder):
    edit_json(folder / "model.safetensors.index.json", lambda index: index["weight_map"].update({"a.b": SECOND}))


def stored_twice(folder):
    shutil.copy(folder / "model-00001-of-00002.safetensors", folder / "a")
    edit_json(folder / "model.safetensors.index.json", lambda index: index["weight_map"].update({Q_PROJ: "a"}))


def rewritten(folder, change):
    stored = {name: data.astype(hf_folders.BF16) for name, data in hf_folders.values().items()}
    change(stored)
    hf_folders.write_weights(folder, stored)


def tensor_left_out(folder):
    rewritten(folder, lambda stored: stored.pop(Q_PROJ))


def wrong_shape(folder):
    rewritten(folder, lambda stored: stored.update({Q_PROJ: stored[Q_PROJ][:32].copy()}))


def unknown_quantisation(folder):
    edit_json(folder / "config.json", lambda config: config.update({"quantization_config": {"quant_method": "awq"}}))


def unpaired_surrogate(folder):
    edit_json(folder / "tokenizer.json", lambda tokenizer: tokenizer["model"]["merges"].append(["\ud800", "a"]))


def endless_nesting(folder):
    (folder / "config.json").write_text("[" * 100_000)


def endless_number(folder):
    (folder / "config.json").write_text('{"canvas_length": ' + "9" * 10_000 + "}")


def heads_of_gigabytes(folder):
    edit_json(folder / "config.json", lambda config: config["text_config"].update(global_head_dim=2**31 - 2))


def beyond_float32(folder):
    edit_json(folder / "config.json", lambda config: config["text_config"].update(final_logit_softcapping=1e300))


def binary_template(folder):
    (folder / "chat_template.jinja").write_bytes(b"\xff")


def pipe_as_a_shard(folder):
    (folder / SECOND).unlink()
    os.mkfifo(folder / SECOND)


def folder_as_a_shard(folder):
    edit_json(folder / "model.safetensors.index.json", lambda index: index["weight_map"].update({"a": ".."}))


def cut_short(folder):
    os.truncate(folder / SECOND, 5000)


def endless_header(folder):
    with open(folder / SECOND, "r+b") as file:
        file.write(b"\xff" * 8)


def header_of_nonsense(folder):
    with open(folder / SECOND, "r+b") as file:
        file.write((16).to_bytes(8, "little") + b'{"a": {"dtype"}}')


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (missing_shard, [SECOND, "missing"]),
        (index_of_another_folder, ["model.safetensors.index.json", "weight_map", f"{SECOND} does not have a.b"]),
        (stored_twice, ["has this tensor as well"]),
        (tensor_left_out, ["own", "missing blk.0.attn_q.weight [64, 64]"]),
        (wrong_shape, ["own", "blk.0.attn_q.weight: expected shape [64, 64], got [32, 64]"]),
        (unknown_quantisation, ["config.json", "quant_method", "awq", "modelopt"]),
        (unpaired_surrogate, ["tokenizer.json", "surrogates"]),
        (endless_nesting, ["config.json", "malformed JSON"]),
        (endless_number, ["config.json", "malformed JSON"]),
        (heads_of_gigabytes, ["config.json", "global_head_dim: expected an integer from 1 to 65536"]),
        (beyond_float32, ["config.json", "final_logit_softcapping: expected a float32 number"]),
        (binary_template, ["chat_template.jinja", "not UTF-8"]),
        (pipe_as_a_shard, [SECOND, "expected a regular file, got a pipe"]),
        (folder_as_a_shard, ["expected a regular file, got a folder"]),
        (cut_short, [SECOND, "not a readable safetensors file"]),
        (endless_header, [SECOND, "not a readable safetensors file"]),
        (header_of_nonsense, [SECOND, "not a readable safetensors file"]),
    ],
)
def test_damaged_folders_are_refused_before_anything_is_written(tmp_path, own_folder, capsys, damage, words):
    damage(own_folder)
    message = fails(capsys, own_folder, tmp_path / "a.gguf")
    assert all(word in message for word in words), message
    assert os.listdir(tmp_path) == ["own"]


def test_targets_that_cannot_be_written(tmp_path, folder, capsys):
    assert "is a folder" in fails(capsys, folder, tmp_path)
    assert "there is no folder" in fails(capsys, folder, tmp_path / "none" / "a.gguf")
    if os.geteuid() != 0:  # root may write to every folder
        tmp_path.chmod(0o500)
        assert "cannot be written to" in fails(capsys, folder, tmp_path / "a.gguf")


def test_a_disk_too_small_is_refused_beforehand(tmp_path, folder, capsys, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 500_000, 500_000))
    message = fails(capsys, folder, tmp_path / "a.gguf")
    assert "not enough space" in message and "500,000 are free" in message
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_leaves_nothing(tmp_path, folder, capsys, monkeypatch):
    released = gguf_writer.release_pages
    calls = []

    def full(array):  # fails in the middle of the weights
        calls.append(array.nbytes)
        if len(calls) == 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        released(array)

    monkeypatch.setattr(gguf_writer, "release_pages", full)
    message = fails(capsys, folder, tmp_path / "a.gguf")
    assert "a.gguf" in message and "No space left on device" in message
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("most", [100, 300_000])  # with 100 bytes, the error comes when the file is closed
def test_a_file_system_that_refuses_more_bytes_leaves_nothing(tmp_path, folder, most):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    process = start("convert", folder, tmp_path / "a.gguf", stderr=subprocess.PIPE, preexec_fn=limit)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"a.gguf: File too large" in err
    assert os.listdir(tmp_path) == []


# This program converts, prints "half" when the first chunk of weights has been written, and waits.
HALFWAY = """
import sys, time
from gesso.files import gguf_writer
from gesso.cli.program import main

def wait(array):
    print("half", flush=True)
    time.sleep(60)

gguf_writer.release_pages = wait
sys.exit(main(["convert", *sys.argv[1:]]))
"""


@pytest.fixture
def halfway(tmp_path, folder):
    """A process that is in the middle of writing a.gguf."""
    command = [sys.executable, "-c", HALFWAY, folder, tmp_path / "a.gguf"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == b"half\n"
    yield process
    process.kill()
    process.communicate()


def test_a_killed_run_leaves_no_file_and_the_next_one_succeeds(tmp_path, folder, halfway):
    halfway.send_signal(signal.SIGKILL)
    halfway.wait()
    assert os.listdir(tmp_path) == ["a.gguf.partial"]
    assert convert(folder, tmp_path / "a.gguf") == 0
    assert os.listdir(tmp_path) == ["a.gguf"]
    gesso.load(tmp_path / "a.gguf")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_leaves_nothing(tmp_path, halfway, sent):
    halfway.send_signal(sent)
    assert halfway.wait(timeout=60) == 128 + sent
    assert os.listdir(tmp_path) == []


def test_two_runs_do_not_write_one_file(tmp_path, folder, halfway, capsys):
    assert "another process is writing this file" in fails(capsys, folder, tmp_path / "a.gguf")
    assert halfway.poll() is None


PEAK = """
import sys
from pathlib import Path
from gesso.cli.program import main
assert main(["convert", *sys.argv[1:]]) == 0
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line))
"""


def peak_bytes(*arguments):
    """Returns the most memory that was resident in a process that converts, mapped files included."""
    command = [sys.executable, "-c", PEAK, *map(str, arguments)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return 1024 * int(result.stdout.split()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak")
@pytest.mark.parametrize("options", [(), ("--preset", "F16")])
def test_the_peak_of_memory_does_not_grow_with_the_folder(tmp_path, folder, options):
    # The folder has 240 MB in tensors of up to 100 MB. A run that held the folder, or its largest tensor as float32,
    # would need far more memory than the test allows.
    sizes = {"hidden_size": 256, "moe_intermediate_size": 1024, "num_experts": 32, "vocab_size": 200_000}
    large = tmp_path / "large"
    stored = {name: np.zeros(shape, hf_folders.BF16) for name, shape in hf_folders.shapes(**sizes).items()}
    hf_folder(large, weights={}, stored=stored, num_shards=1, **sizes)
    (large / "tokenizer.json").unlink()  # it has the tokens of a small vocabulary
    assert (large / "model.safetensors").stat().st_size > 200e6
    more = peak_bytes(large, tmp_path / "large.gguf", *options) - peak_bytes(folder, tmp_path / "a.gguf", *options)
    assert more < 130e6, f"{more / 1e6:.0f} MB"
