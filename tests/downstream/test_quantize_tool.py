"""gesso-quantize, which `make tools` builds on the prefix: its files are those of `gesso quantize`, byte for byte."""

import os
import pty
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from downstream.programs import ROOT, run
from gesso.bundled.sudoku_model import bundled_model
from gesso.cli.program import main
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf
from gesso.files.presets import PRESETS
from gesso.files.tensor import Tensor
from python.split_gguf import split
from python.tiny_model import tiny_model

TOOL = ROOT / "build/tools/gesso-quantize"
GOLDEN = ROOT / "tests/golden"
# Rows of 256 elements and of 64: the second are no whole blocks of the K formats.
SIZES = {"hidden_size": 256, "intermediate_size": 64, "moe_intermediate_size": 64, "num_attention_heads": 8}


@pytest.fixture(scope="session", autouse=True)
def tool():
    if not TOOL.exists():
        pytest.skip(f"needs {TOOL.relative_to(ROOT)}, which `make tools` makes")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf", **SIZES)


@pytest.fixture(scope="module")
def nvfp4(model) -> Path:
    """The model with weight scales, which other types lose."""
    path = model.with_name("nvfp4.gguf")
    assert main(["quantize", str(model), str(path), "--preset", "NVFP4"]) == 0
    return path


def assert_same_bytes(tmp_path, source, preset: str, *options) -> None:
    ours, theirs = tmp_path / "tool.gguf", tmp_path / "package.gguf"
    run(TOOL, source, ours, preset, *options)
    assert main(["quantize", str(source), str(theirs), "--preset", preset, *map(str, options)]) == 0
    assert ours.read_bytes() == theirs.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["package.gguf", "tool.gguf"]
    assert ours.stat().st_mode == theirs.stat().st_mode


def refusal(*words, status: int = 1) -> str:
    """The one line that a run with this exit status writes to standard error."""
    done = subprocess.run([TOOL, *words], text=True, capture_output=True)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert re.fullmatch(r"gesso-quantize: .+\n", done.stderr)
    return done.stderr


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset(tmp_path, model, preset):
    assert_same_bytes(tmp_path, model, preset)


@pytest.mark.parametrize("preset", ["NVFP4", "Q4_K_M", "F32"])
@pytest.mark.parametrize("source", ["bf16", "q4_0", "q8_0", "mixed", "top_1"])
def test_other_sources(tmp_path, source, preset):
    assert_same_bytes(tmp_path, GOLDEN / f"{source}.gguf", preset)


@pytest.mark.parametrize("preset", ["NVFP4", "Q8_0", "F16"])
def test_weight_scales(tmp_path, nvfp4, preset):
    assert_same_bytes(tmp_path, nvfp4, preset)


def test_a_weight_scale_that_is_there_already(tmp_path, nvfp4):
    """A matrix of another type with a scale becomes NVFP4: the new scale is multiplied with the old one."""
    source = read_gguf(nvfp4)
    changed = [
        Tensor(tensor.name, "F16", tensor.shape, tensor.to_float32().astype(np.float16))
        if tensor.dtype == "NVFP4"
        else tensor
        for tensor in source.tensors()
    ]
    folder = tmp_path / "source"
    folder.mkdir()
    write_gguf(folder / "scaled.gguf", source.metadata, changed)
    out = tmp_path / "out"
    out.mkdir()
    assert_same_bytes(out, folder / "scaled.gguf", "NVFP4")


def test_a_split_file(tmp_path, model):
    (tmp_path / "parts").mkdir()
    (tmp_path / "out").mkdir()
    parts = split(model, tmp_path / "parts/model.gguf", 9)
    assert len(parts) > 2
    assert_same_bytes(tmp_path / "out", parts[1], "Q4_0")
    assert "the file to write is the one to read" in refusal(parts[1], parts[2], "Q4_0", status=2)


def test_options_do_not_change_the_bytes(tmp_path, model):
    run(TOOL, model, tmp_path / "a", "q4_k_m", "--threads", "1", "--no-mmap")
    run(TOOL, "--threads", "3", "--", model, tmp_path / "b", "Q4_K_M")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def write_imatrix(path: Path, **shapes) -> Path:
    """Writes an importance matrix. `shapes` maps weights to their numbers of experts and columns."""
    tensors = []
    for name, shape in shapes.items():
        values = np.random.default_rng(0).exponential(1, shape).astype(np.float32) ** 4
        tensors.append(Tensor(f"{name}.in_sum2", "F32", shape, values))
        counts = np.arange(shape[0], dtype=np.float32).reshape(-1, 1)  # the first expert was never used
        tensors.append(Tensor(f"{name}.counts", "F32", counts.shape, counts))
    write_gguf(path, {"general.type": "imatrix", "general.architecture": "imatrix"}, tensors)
    return path


@pytest.mark.parametrize("preset", ["Q4_0", "IQ4_XS", "NVFP4"])
def test_importance(tmp_path, model, preset):
    weights = {"blk.1.attn_q.weight": (1, 256), "blk.2.ffn_gate_up_exps.weight": (4, 256)}
    imatrix = write_imatrix(tmp_path / "imatrix.gguf", **weights)
    (tmp_path / "out").mkdir()
    assert_same_bytes(tmp_path / "out", model, preset, "--imatrix", imatrix)
    run(TOOL, model, tmp_path / "plain.gguf", preset)
    assert (tmp_path / "plain.gguf").read_bytes() != (tmp_path / "out/tool.gguf").read_bytes()
    done = subprocess.run([TOOL, model, tmp_path / "x", preset, "--imatrix", imatrix], text=True, capture_output=True)
    assert re.fullmatch(r"gesso-quantize: warning: .* nothing about \d+ of \d+ matrices\n", done.stderr)


def test_importance_that_does_not_fit(tmp_path, model):
    other = write_imatrix(tmp_path / "other.gguf", **{"blk.9.attn_q.weight": (1, 256)})
    assert f"{other}: holds nothing about" in refusal(model, tmp_path / "a", "Q4_0", "--imatrix", other)
    wide = write_imatrix(tmp_path / "wide.gguf", **{"blk.0.attn_q.weight": (1, 255)})
    message = refusal(model, tmp_path / "a", "Q4_0", "--imatrix", wide)
    assert "blk.0.attn_q.weight: importance: expected shape [1, 256], got [1, 255]" in message
    assert "the file to write is the one to read" in refusal(model, wide, "Q4_0", "--imatrix", wide, status=2)
    assert f"{model}: general.type: expected" in refusal(model, tmp_path / "a", "Q4_0", "--imatrix", model)
    assert sorted(os.listdir(tmp_path)) == ["other.gguf", "wide.gguf"]


def test_a_dry_run(tmp_path, model):
    lines = run(TOOL, model, tmp_path / "a.gguf", "Q4_K_M", "--dry-run").splitlines()
    assert "blk.0.attn_q.weight  [128, 256]  F32 -> Q4_K  18.4 kB" in lines
    assert "blk.0.ffn_down.weight  [256, 64]  F32 -> Q5_0  11.3 kB" in lines
    assert "blk.0.attn_norm.weight  [256]  F32  1.0 kB" in lines
    assert os.listdir(tmp_path) == []
    assert lines[-1:] == run(TOOL, model, tmp_path / "a.gguf", "Q4_K_M").splitlines()


def test_the_summary_is_that_of_the_package(tmp_path, model, capsys):
    assert main(["quantize", str(model), str(tmp_path / "a"), "--preset", "NVFP4"]) == 0
    expected, _, _ = capsys.readouterr().out.rpartition(", in ")
    assert run(TOOL, model, tmp_path / "a", "NVFP4") == f"{expected}\n"


def test_warnings(tmp_path):
    done = subprocess.run([TOOL, GOLDEN / "q8_0.gguf", tmp_path / "a", "F16"], text=True, capture_output=True)
    assert done.stderr.startswith("gesso-quantize: warning: Q8_0 values are rounded a second time")
    source = read_gguf(GOLDEN / "bf16.gguf")
    tensors = source.tensors()
    norm = next(i for i, tensor in enumerate(tensors) if tensor.name == "output_norm.weight")
    tensors[norm] = Tensor(tensors[norm].name, "F32", tensors[norm].shape, tensors[norm].data * np.float32("nan"))
    write_gguf(tmp_path / "nan", source.metadata, tensors)
    done = subprocess.run([TOOL, tmp_path / "nan", tmp_path / "a", "F16"], text=True, capture_output=True)
    assert (
        done.stderr
        == f"gesso-quantize: warning: output_norm.weight: {tensors[norm].num_elements} values are NaN or"
        + (" infinite\n")
    )


def read_all(terminal: int) -> str:
    """What comes up to the end of the program."""
    written = b""
    with suppress(OSError):  # Linux says so when the program has ended
        while more := os.read(terminal, 1 << 16):
            written += more
    os.close(terminal)
    return written.decode()


def test_a_terminal_sees_progress(tmp_path):
    ours, theirs = pty.openpty()
    command = [TOOL, bundled_model(), tmp_path / "a", "Q4_0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = read_all(ours)
        assert b"bits per weight\n" in process.stdout.read()
    before, _, behind = shown.rpartition("100 %  ")
    assert before.startswith("\r\x1b[K")
    assert "\r\x1b[Kgesso-quantize: warning: Q8_0 values" in behind  # nothing of the progress is in front of it


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "usage"),
        (["a", "b"], "usage"),
        (["a", "b", "Q4_0", "4"], "usage"),
        (["a", "b", "Q4_0", "--thread", "1"], "--thread"),
        (["a", "b", "Q4_0", "--threads"], "--threads needs a value"),
        (["a", "b", "Q4_0", "--threads", "2x"], "2x"),
        (["a", "b", "Q4_0", "--threads", "-1"], "-1"),
        (["a", "b", "Q4"], "unknown preset 'Q4'; known: F32, F16"),
    ],
)
def test_wrong_usage(words, message):
    assert message in refusal(*words, status=2)


def test_files_that_cannot_be_used(tmp_path, model):
    out = tmp_path / "out.gguf"
    assert "the file to write is the one to read" in refusal(model, model, "Q4_0", status=2)
    link = tmp_path / "link"
    link.symlink_to(model)
    assert "the file to write is the one to read" in refusal(model, link, "Q4_0", status=2)
    text = tmp_path / "text"
    text.write_text("a text")
    assert f"{text}: " in (message := refusal(text, out, "Q4_0"))
    assert 'expected "GGUF"' in message
    assert f"{text}: exists and is no GGUF file" in refusal(model, text, "Q4_0")
    assert text.read_text() == "a text"
    missing = tmp_path / "missing"
    assert str(missing) in refusal(missing, out, "Q4_0")
    assert str(missing) in refusal(model, missing / "out.gguf", "Q4_0")
    assert str(tmp_path) in refusal(model, tmp_path, "Q4_0")
    whole = model.read_bytes()
    for length in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "part").write_bytes(whole[:length])
        assert f"{tmp_path / 'part'}: " in refusal(tmp_path / "part", out, "Q4_0")
    other = tiny_model(tmp_path / "other", metadata={"general.architecture": "llama"})
    assert f"{other}: " in (message := refusal(other, out, "Q4_0"))
    assert 'expected diffusion-gemma, got "llama"' in message
    assert sorted(os.listdir(tmp_path)) == ["link", "other", "part", "text"]


def test_values_that_a_type_cannot_hold(tmp_path):
    source = read_gguf(GOLDEN / "q8_0.gguf")
    tensors = source.tensors()
    first = next(i for i, tensor in enumerate(tensors) if tensor.name == "blk.0.ffn_down.weight")
    broken = tensors[first].data.copy()
    broken.reshape(-1)[:2] = 0x00, 0x7E  # the first block's scale is NaN
    tensors[first] = Tensor(tensors[first].name, "Q8_0", tensors[first].shape, broken)
    write_gguf(tmp_path / "nan", source.metadata, tensors)
    message = refusal(tmp_path / "nan", tmp_path / "a", "Q4_0")
    assert "blk.0.ffn_down.weight: cannot be written as Q4_0: in the rows from 0 on: quantize: element 0 is " in message
    assert os.listdir(tmp_path) == ["nan"]


# Runs a program with a limit on the size of files, as if the disk were full.
LIMITED = "ulimit -f 100; trap '' XFSZ; exec \"$@\""


def test_a_full_disk_leaves_nothing(tmp_path, model):
    command = ["bash", "-c", LIMITED, "bash", TOOL, model, tmp_path / "a", "F32"]
    done = subprocess.run(command, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (1, f"gesso-quantize: cannot write {tmp_path / 'a'}: File too large\n")
    assert os.listdir(tmp_path) == []


def test_an_output_that_cannot_be_written(tmp_path, model):
    with open("/dev/full", "w") as full:
        done = subprocess.run([TOOL, model, tmp_path / "a", "F16"], text=True, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "gesso-quantize: the standard output cannot be written\n")


def test_help_names_every_option():
    text = run(TOOL, "--help")
    source = (ROOT / "tools/gesso_quantize.cpp").read_text(encoding="utf-8")
    flags = set(re.findall(r'flag == "(--[\w-]*)"', source))
    assert {flag for flag in flags if flag not in text} == {"--help"}
    assert all(preset in text for preset in PRESETS)
