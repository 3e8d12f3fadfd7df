"""What people have beside a model: it is found where it is clear what they mean, else the error names it."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import gesso
from gesso.cli.program import main
from gesso.files.gguf_writer import write_gguf
from gesso.files.locate import checkpoint_name, locate
from gesso.files.tensor import Tensor
from gesso.loading import open_checkpoint
from python.expect import raises
from python.tiny_model import tiny_model

pytest.importorskip("ml_dtypes")

from python.hf_folders import config, hf_folder
from python.tiny_model import Sizes


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("foreign") / "tiny.gguf")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return hf_folder(tmp_path_factory.mktemp("foreign") / "folder", num_shards=1)


def touch(directory: Path, *names: str) -> Path:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()
    return directory


# What is found.


def test_a_folder_with_one_gguf_file_is_that_file(model, tmp_path):
    shutil.copy(model, tmp_path / "model-Q8_0.gguf")
    touch(tmp_path, "README.md", "mmproj-F16.gguf", "config.json")  # as in repositories of GGUF files
    expected = gesso.load(model).generate([5], max_new_tokens=8, max_denoising_steps=2).sequences
    assert gesso.load(tmp_path).generate([5], max_new_tokens=8, max_denoising_steps=2).sequences == expected


def test_a_folder_with_a_split_file_is_its_first_part(tmp_path):
    touch(tmp_path, *(f"m-{i:05}-of-00003.gguf" for i in (1, 2, 3)))
    assert locate(tmp_path) == tmp_path / "m-00001-of-00003.gguf"
    (tmp_path / "m-00001-of-00003.gguf").unlink()
    assert locate(tmp_path) == tmp_path / "m-00001-of-00003.gguf", "whoever opens it says that it is missing"


@pytest.mark.parametrize("names", [("a.gguf", "b.gguf"), ("a-00001-of-00002.gguf", "a-00002-of-00002.gguf", "b.gguf")])
def test_a_folder_with_several_gguf_files_lists_them(tmp_path, names):
    with raises(gesso.FormatError, "expected one model, got 2; give one of a.*, b.gguf"):
        gesso.load(touch(tmp_path, *names))


def test_safetensors_count_before_gguf_files(folder, model, tmp_path):
    both = shutil.copytree(folder, tmp_path / "both")
    shutil.copy(model, both)
    assert locate(both) == both


def hub_cache(root: Path, source: Path, revisions=("a1b2",), main: str | None = "a1b2") -> Path:
    """Writes a hub cache's folder. Its revisions are links to blobs, as the package huggingface_hub makes them."""
    repository = root / "models--google--tiny-diffusion"
    (repository / "blobs").mkdir(parents=True)
    for revision in revisions:
        snapshot = repository / "snapshots" / revision
        snapshot.mkdir(parents=True)
        for i, file in enumerate(sorted(source.iterdir() if source.is_dir() else [source])):
            blob = repository / "blobs" / f"{i:064x}"
            shutil.copy(file, blob)
            (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)
    if main is not None:
        touch(repository, "refs/main").joinpath("refs/main").write_text(main)
    return repository


def test_a_hub_caches_folder_is_its_main_revision(folder, tmp_path):
    repository = hub_cache(tmp_path, folder, ("0000", "a1b2", "ffff"))
    expected = repository / "snapshots/a1b2"
    assert locate(repository) == locate(repository / "snapshots") == locate(expected) == expected
    assert checkpoint_name(expected) == "tiny-diffusion"
    checkpoint = open_checkpoint(repository)
    assert checkpoint.metadata["general.name"] == "tiny-diffusion"
    assert gesso.load(repository).config == gesso.load(folder).config


def test_a_hub_caches_folder_may_hold_a_gguf_file(model, tmp_path):
    repository = hub_cache(tmp_path, model)
    assert locate(repository) == repository / "snapshots/a1b2/tiny.gguf"


def test_a_hub_caches_folder_without_main(folder, tmp_path):
    one = hub_cache(tmp_path / "one", folder, main=None)
    assert locate(one) == one / "snapshots/a1b2"
    gone = hub_cache(tmp_path / "gone", folder, main="cccc")
    assert locate(gone) == gone / "snapshots/a1b2"
    several = hub_cache(tmp_path / "several", folder, ("a1b2", "ffff"), main=None)
    with raises(gesso.FormatError, "whose refs/main names none of its revisions; give one of snapshots/{a1b2, ffff}"):
        gesso.load(several)
    none = hub_cache(tmp_path / "none", folder, ())
    with raises(gesso.FormatError, "without a revision; start the download again"):
        gesso.load(none)


def test_the_commands_find_models_too(folder, model, tmp_path, capsys):
    repository = hub_cache(tmp_path, folder)
    assert main(["convert", str(repository), str(tmp_path / "out.gguf")]) == 0
    (tmp_path / "one").mkdir()
    shutil.copy(model, tmp_path / "one")
    assert main(["quantize", str(tmp_path / "one"), str(tmp_path / "q.gguf"), "--preset", "Q8_0"]) == 0
    assert main(["inspect", str(tmp_path / "one")]) == 0
    capsys.readouterr()
    assert main(["convert", str(tmp_path / "one"), str(tmp_path / "x.gguf")]) == 1
    assert "tiny.gguf: expected a Hugging Face folder; `gesso quantize` reads .gguf files" in capsys.readouterr().err


# Folders that are something else.

FOLDERS = [
    ([], "the folder is empty"),
    (["adapter_config.json", "adapter_model.safetensors"], "LoRA adapter; merge it into its base model"),
    (["models--a--b/refs/main", "models--c--d/refs/main"], "a hub cache with several models; give one"),
    (["model.safetensors.incomplete"], "unfinished download"),
    (["pytorch_model-00001-of-00002.bin"], "PyTorch files, which are programs"),
    (["consolidated.00.pth", "params.json"], "Meta's layout"),
    (["model.pt"], "PyTorch files"),
    (["model.onnx"], "ONNX"),
    (["onnx/model.onnx", "tokenizer.json"], "ONNX"),
    (["model_index.json", "unet/diffusion_pytorch_model.safetensors"], "a folder of diffusers"),
    (["diffusion_pytorch_model.safetensors"], "a diffusers model"),
    (["flax_model.msgpack"], "Flax"),
    (["saved_model.pb"], "TensorFlow"),
    (["model.zip"], "holds an archive"),
    (["model.safetensors"], "without their config.json"),
    (["tokenizer.json", "README.md"], "a tokenizer, but no weights"),
    (["checkpoint-500/config.json"], "its folder checkpoint-500 looks like a model, so give that"),
    (["a/config.json", "b/model.gguf"], r"give one of \['a', 'b'\]"),
    (["mmproj-F16.gguf"], "the folder holds no model"),
    (["notes.txt"], "the folder holds no model"),
]


@pytest.mark.parametrize(("names", "what"), FOLDERS, ids=[what for _, what in FOLDERS])
def test_folders_without_a_configuration_say_what_they_look_like(tmp_path, names, what):
    with raises(FileNotFoundError, "config.json: no such file", what):
        gesso.load(touch(tmp_path, *names))


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["pytorch_model.bin"], "PyTorch files"),
        (["model.safetensors.incomplete"], "unfinished download"),
        (["weights.safetensors"], "not under the names"),
        ([], "a configuration, but no weights"),
    ],
)
def test_folders_without_weights_say_what_they_look_like(tmp_path, names, what):
    touch(tmp_path, *names)
    (tmp_path / "config.json").write_text(json.dumps(config("bf16", Sizes())))
    with raises(FileNotFoundError, "model.safetensors: no such file", what):
        gesso.load(tmp_path)


@pytest.mark.parametrize(
    ("model_type", "what"),
    [
        ("gemma4", "a Gemma model that writes token by token; gesso runs DiffusionGemma only"),
        ("gemma4_text", "a Gemma model"),
        ("gemma3n", "a Gemma model"),
        ("llama", "another model; gesso runs DiffusionGemma only"),
        ("qwen3_moe", "another model"),
        ("diffusion_gemma_text", "the text part of a DiffusionGemma; give the folder of the whole model"),
        (None, "another model"),
        (5, "another model"),
    ],
)
def test_folders_of_other_models_are_named(folder, tmp_path, model_type, what):
    """Their other fields do not matter: most of them have no text_config, and some are compressed."""
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    quantized = {"quant_method": "awq"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type, "quantization_config": quantized}))
    with raises(ValueError, f"model_type: expected 'diffusion_gemma', got {model_type!r}: {what}"):
        gesso.load(tmp_path)


COMPRESSIONS = [
    ({"quant_method": "awq", "bits": 4}, "AWQ, 4-bit integers"),
    ({"quant_method": "gptq", "bits": 4}, "GPTQ"),
    ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
    ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "FP8 with a scale per block"),
    ({"quant_method": "torchao"}, "torchao"),
    ({"quant_method": "hqq"}, "HQQ"),
    ({"quant_method": "aqlm"}, "AQLM"),
    ({"quant_method": "mxfp4"}, "MXFP4"),
    ({"quant_method": "exl3"}, "EXL3"),
    ({"quant_method": "auto-round"}, "AutoRound"),
    ({"quant_method": "surprise"}, "surprise"),
    ({"quant_method": "modelopt", "quant_algo": "FP8"}, "modelopt, FP8"),
    ({"quant_method": "compressed-tensors", "format": "pack-quantized"}, "compressed-tensors, pack-quantized"),
    ({"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized"}, "compressed-tensors, mxfp4-pack"),
]


@pytest.mark.parametrize(("quantized", "name"), COMPRESSIONS, ids=[name for _, name in COMPRESSIONS])
def test_compressions_that_are_not_read_are_named(folder, tmp_path, quantized, name):
    whole = config("bf16", Sizes()) | {"quantization_config": quantized}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    with raises(
        ValueError, f"weights compressed by {name}.* are not read; gesso reads BF16, F16", "convert the folder"
    ):
        gesso.load(tmp_path)


@pytest.mark.parametrize(
    ("quantized", "message"),
    [
        ({}, "got nothing: this does not say how the weights are compressed; if they are not, remove it; gesso reads"),
        ({"bits": 4}, "quant_method: expected .* got nothing: this does not say how the weights are compressed"),
        ({"quant_method": "modelopt"}, "weights compressed by modelopt without a format are not read"),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors without a format are not read"),
    ],
)
def test_a_compression_without_a_name(folder, tmp_path, quantized, message):
    own = shutil.copytree(folder, tmp_path / "own")
    (own / "config.json").write_text(json.dumps(config("bf16", Sizes()) | {"quantization_config": quantized}))
    with raises(ValueError, message):
        gesso.load(own)


def test_a_mark_in_front_of_json_is_ignored(folder, tmp_path):
    """Editors on Windows put it there."""
    own = shutil.copytree(folder, tmp_path / "own")
    for name in ("config.json", "tokenizer.json"):
        (own / name).write_bytes(b"\xef\xbb\xbf" + (own / name).read_bytes())
    expected, model = gesso.load(folder), gesso.load(own)
    assert model.config == expected.config
    assert model.tokenizer.encode("hi") == expected.tokenizer.encode("hi")


def test_a_folder_of_mlx_is_named(folder, tmp_path):
    whole = config("bf16", Sizes()) | {"quantization": {"group_size": 64, "bits": 4}}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    with raises(ValueError, "quantization: expected nothing, got .*: weights compressed by MLX are not read"):
        gesso.load(tmp_path)


# Files that are something else.

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 16806810336\n"
PAGE = b"\n <!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


def archive(name: str) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as opened:
        opened.writestr(name, "x")
    return memory.getvalue()


FILES = [
    (b"", "an empty file"),
    (bytes(4096), "zeros: the download was interrupted"),
    (LFS, "a Git LFS pointer.*`git lfs pull`"),
    (PAGE, "a web page"),
    (b"<html>", "a web page"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied", "an XML document"),
    (b'{"error":"Repository not found"}', "a JSON document with an error"),
    (b"Access to model google/x is restricted.", "needs a login or a licence"),
    (b"Entry not found", "does not have this file"),
    (archive("archive/data.pkl"), "a PyTorch file: it is a program"),
    (b"\x80\x02}q\x00", "a PyTorch file"),
    (archive("model.gguf"), "a ZIP archive"),
    (b"\x1f\x8b\x08" + bytes(20), "a compressed archive"),
    (b"7z\xbc\xaf\x27\x1c" + bytes(20), "a compressed archive"),
    (b"tjgg" + bytes(20), "a GGML file from before 2023"),
    (b"\x80\x00\x00\x00\x00\x00\x00\x00" + b'{"a":' + bytes(200), "a safetensors file: give the folder"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"%PDF-1.7", "a PDF document"),
    (b"GGML", 'got "GGML"'),
    (b"no model\n" * 50, 'got "no m"'),
]


@pytest.mark.parametrize(("content", "what"), FILES, ids=[what for _, what in FILES])
def test_files_that_are_no_gguf_say_what_they_are(tmp_path, content, what):
    (tmp_path / "model.gguf").write_bytes(content)
    with raises(gesso.FormatError, 'model.gguf: .*magic: expected "GGUF", got ', what):
        gesso.load(tmp_path / "model.gguf")


@pytest.mark.parametrize(("content", "what"), [(LFS, "Git LFS pointer"), (PAGE, "web page"), (b"", "an empty file")])
def test_files_of_a_folder_say_what_they_are(folder, tmp_path, content, what):
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(content)
    with raises(ValueError, "model.safetensors: not a readable safetensors file", f"it is .*{what}"):
        gesso.load(broken)
    (broken / "config.json").write_bytes(content)
    with raises(ValueError, "config.json: malformed JSON", f"it is .*{what}"):
        gesso.load(broken)


@pytest.mark.parametrize("suffix", [".incomplete", ".part", ".partial", ".crdownload"])
def test_unfinished_files_are_named(model, tmp_path, suffix):
    unfinished = tmp_path / f"model.gguf{suffix}"
    unfinished.write_bytes(model.read_bytes()[:1000])
    with raises(gesso.FormatError, rf"model.gguf\{suffix}: an unfinished download or file"):
        gesso.load(unfinished)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("config.json", "a file of a checkpoint folder; give the folder"),
        ("model.onnx", "an ONNX model"),
        ("gemma.litertlm", "a LiteRT model"),
    ],
)
def test_files_of_other_kinds_are_known_by_their_names(tmp_path, name, what):
    (tmp_path / name).write_bytes(b"{}")
    with raises(gesso.FormatError, f"{name}: {what}"):
        gesso.load(tmp_path / name)
    with raises(FileNotFoundError, f"no-{name}"):
        gesso.load(tmp_path / f"no-{name}")


@pytest.mark.parametrize(
    ("metadata", "what"),
    [
        ({"general.type": "mmproj", "general.architecture": "clip"}, "the vision part of a model"),
        ({"general.architecture": "clip"}, "the vision part of a model"),
        ({"general.type": "adapter", "general.architecture": "diffusion-gemma"}, "a LoRA adapter: merge it"),
        ({"general.type": "imatrix", "general.architecture": None}, "an importance matrix"),
        ({"general.architecture": "gemma4"}, "a Gemma model that writes token by token"),
        ({"general.architecture": "gemma3n"}, "a Gemma model that writes token by token"),
        ({"general.architecture": "dream"}, "another diffusion model"),
        ({"general.architecture": "qwen3moe"}, "another model; gesso runs DiffusionGemma only"),
    ],
)
def test_gguf_files_of_something_else_are_named(tmp_path, metadata, what):
    kept = {key: value for key, value in metadata.items() if value is not None}
    write_gguf(tmp_path / "x.gguf", {"general.architecture": "x"} | kept, [Tensor("a", "F32", (1,), np.zeros(1, "f4"))])
    with raises(gesso.FormatError, "general.(type|architecture): expected .*, got .*", what):
        gesso.load(tmp_path / "x.gguf")
