"""`gesso quantize`: tensors get the types of the preset, and everything else stays as it was."""

import os
import re

import numpy as np
import pytest

import gesso
from gesso.cli.program import main
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import matrices_as, write_gguf
from gesso.files.imatrix import read_imatrix
from gesso.files.presets import PRESETS, plan_types
from gesso.files.tensor import Tensor
from python.command_line import run, run_in_terminal
from python.tiny_model import tiny_model

SIZES = {"hidden_size": 256, "intermediate_size": 64, "moe_intermediate_size": 64, "num_attention_heads": 8}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A float32 model. All rows are a whole number of blocks of 256, except those of ffn_down."""
    return str(tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf", **SIZES))


def quantize(source, target, *options):
    return main(["quantize", str(source), str(target), *map(str, options)])


def fails(capsys, *arguments):
    """Runs the command, which must fail, and returns its message."""
    assert quantize(*arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    return err


def encoded(path):
    checkpoint = read_gguf(path).checkpoint
    return {key: checkpoint.encoded_value(key) for key in checkpoint.metadata}


def by_name(path):
    return {tensor.name: tensor for tensor in read_gguf(path).tensors()}


def logits(path):
    session = gesso.load(path, "cpu", activations="f32").session()
    session.encode([2, 40, 41, 42])
    return session.denoise(np.arange(8, dtype=np.int32) + 50)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_model_in_every_preset(path, tmp_path, capsys, preset):
    target = tmp_path / "a.gguf"
    assert quantize(path, target, "--preset", preset.lower()) == 0
    source, stored = by_name(path), by_name(target)
    planned = plan_types(preset, list(source.values()), num_layers=3)
    assert {name: stored[name].dtype for name in planned} == planned
    for name, dtype in planned.items():
        if dtype == "F32" and not name.endswith("ffn_down_exps.scale"):
            assert stored[name].data.tobytes() == source[name].data.tobytes()
    sizes = [sum(tensor.num_bytes for tensor in tensors.values()) for tensors in (source, stored)]
    shown = re.fullmatch(rf"{target}: (.*) -> (.*), (.*) bits per weight, in 0:0\d\n", capsys.readouterr().out)
    weights = sum(tensor.num_elements for tensor in stored.values())
    assert float(shown[3]) == pytest.approx(8 * sizes[1] / weights, abs=0.005)
    # The error is a share of the logits' spread. It would be 1.1 for two unrelated models. It is as large as 0.5,
    # because with few bits the router chooses other experts for some tokens.
    error = np.abs(logits(target) - logits(path)).mean() / logits(path).std()
    assert error <= {"F32": 0.0, "F16": 0.01, "BF16": 0.05}.get(preset, 0.5)


def test_metadata_stays_to_the_bit(path, tmp_path):
    assert quantize(path, tmp_path / "a.gguf", "--preset", "BF16") == 0
    before, after = encoded(path), encoded(tmp_path / "a.gguf")
    assert after.pop("general.file_type") == b"\4\0\0\0" + (32).to_bytes(4, "little")
    assert after == before


def test_overrides(path, tmp_path):
    options = ("--preset", "bf16", "--tensor", r"blk\.[01]\.attn_q=f16", "--tensor", r"^blk\.1\.=F32")
    assert quantize(path, tmp_path / "a.gguf", *options) == 0
    types = [by_name(tmp_path / "a.gguf")[f"blk.{i}.attn_q.weight"].dtype for i in range(3)]
    assert types == ["F16", "F32", "BF16"]


def test_a_dry_run_tells_what_would_be_and_writes_nothing(path, tmp_path, capsys):
    assert quantize(path, tmp_path / "a.gguf", "--preset", "Q4_K_M", "--dry-run") == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "blk.0.attn_q.weight [128, 256] F32 -> Q4_K 18.4 kB" in lines
    assert "blk.0.ffn_down.weight [256, 64] F32 -> Q5_0 11.3 kB" in lines
    assert "blk.0.attn_norm.weight [256] F32 1.0 kB" in lines
    assert lines[-1].endswith("bits per weight")
    assert os.listdir(tmp_path) == []


def test_rounding_twice_is_said(path, tmp_path, capsys):
    stored = tmp_path / "q8.gguf"
    source = read_gguf(path)
    matrix = Tensor("blk.0.attn_output.weight", "Q8_0", (256, 128), np.zeros((256, 4 * 34), np.uint8))
    tensors = [matrix if tensor.name == matrix.name else tensor for tensor in source.tensors()]
    write_gguf(stored, source.metadata, tensors)
    assert quantize(stored, tmp_path / "a.gguf", "--preset", "F16") == 0
    assert capsys.readouterr().err.startswith("gesso: warning: Q8_0 values are rounded a second time")
    assert not by_name(tmp_path / "a.gguf")[matrix.name].data.any()
    for source, preset in ((path, "F16"), (stored, "F32")):  # F32 holds the values of Q8_0 exactly
        assert quantize(source, tmp_path / "b.gguf", "--preset", preset) == 0
        assert capsys.readouterr().err == ""


def test_a_folder_as_the_source(tmp_path, capsys):
    pytest.importorskip("ml_dtypes")
    from python.hf_folders import hf_folder

    folder = hf_folder(tmp_path / "folder")
    assert quantize(folder, tmp_path / "a.gguf", "--preset", "F16") == 0
    assert main(["convert", str(folder), str(tmp_path / "b.gguf"), "--preset", "F16"]) == 0
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


def write_imatrix(path, **columns):
    """Writes an importance matrix. `columns` maps weights of the tiny model to their numbers of columns."""
    tensors = []
    for name, count in columns.items():
        values = np.geomspace(1e-3, 1e3, count, dtype=np.float32).reshape(1, -1)
        tensors.append(Tensor(f"{name}.in_sum2", "F32", values.shape, values))
        tensors.append(Tensor(f"{name}.counts", "F32", (1, 1), np.ones((1, 1), np.float32)))
    write_gguf(path, {"general.type": "imatrix", "general.architecture": "imatrix"}, tensors)
    assert len(read_imatrix(path)) == len(columns)
    return path


def test_importance_changes_the_tensors_it_is_about(path, tmp_path):
    imatrix = write_imatrix(tmp_path / "imatrix.gguf", **{"blk.1.attn_q.weight": 256})
    for name, options in (("a", ()), ("b", ("--imatrix", imatrix))):
        assert quantize(path, tmp_path / f"{name}.gguf", "--preset", "Q4_0", *options) == 0
    plain, weighted = by_name(tmp_path / "a.gguf"), by_name(tmp_path / "b.gguf")
    changed = [name for name, tensor in plain.items() if tensor.data.tobytes() != weighted[name].data.tobytes()]
    assert changed == ["blk.1.attn_q.weight"]
    source = by_name(path)[changed[0]].data
    errors = [np.square(x[changed[0]].to_float32() - source)[:, -8:].sum() for x in (plain, weighted)]
    assert errors[1] < errors[0]  # in the 8 most important columns


def test_importance_of_another_model_is_refused(path, tmp_path, capsys):
    imatrix = write_imatrix(tmp_path / "imatrix.gguf", **{"blk.9.attn_q.weight": 256})
    assert "holds nothing about" in fails(capsys, path, tmp_path / "a.gguf", "--preset", "F16", "--imatrix", imatrix)
    imatrix = write_imatrix(tmp_path / "imatrix.gguf", **{"blk.0.attn_q.weight": 255})
    error = fails(capsys, path, tmp_path / "a.gguf", "--preset", "F16", "--imatrix", imatrix)
    assert "blk.0.attn_q.weight: importance: expected shape" in error
    assert "the file to write is the one to read" in fails(
        capsys, path, imatrix, "--preset", "F16", "--imatrix", imatrix
    )
    assert os.listdir(tmp_path) == ["imatrix.gguf"]


def test_matrices_without_importance_are_counted(path, tmp_path, capsys):
    imatrix = write_imatrix(tmp_path / "imatrix.gguf", **{"blk.1.attn_q.weight": 256})
    assert quantize(path, tmp_path / "a.gguf", "--preset", "Q4_0", "--imatrix", imatrix) == 0
    matrices = [x for x in by_name(path).values() if len(x.shape) > 1 and "gate_inp" not in x.name]
    missing, total = len(matrices) - 2, len(matrices) - 1  # the embedding does not count
    assert f"has nothing about {missing} of {total} matrices" in capsys.readouterr().err


def test_what_cannot_be_done(path, tmp_path, capsys):
    target = tmp_path / "a.gguf"
    assert "the file to write is the one to read" in fails(capsys, path, path, "--preset", "F16")
    assert "No such file" in fails(capsys, tmp_path / "missing.gguf", target, "--preset", "F16")
    assert "there is no folder" in fails(capsys, path, tmp_path / "none/a.gguf", "--preset", "F16")
    for override, message in (("attn_x=F16", "attn_x=F16: matches no matrix"), ("a=Q8", "a=Q8: expected a type that")):
        assert quantize(path, target, "--preset", "F16", "--tensor", override) == 2
        assert message in capsys.readouterr().err
    other = tiny_model(tmp_path / "other.gguf", metadata={"general.architecture": "llama"})
    assert f"{other}: " in (message := fails(capsys, other, target, "--preset", "F16"))
    assert 'expected diffusion-gemma, got "llama"' in message
    source = read_gguf(path)
    write_gguf(other, source.metadata, source.tensors()[1:])
    assert "other.gguf: tensors do not fit" in fails(capsys, other, target, "--preset", "F16")
    assert os.listdir(tmp_path) == ["other.gguf"]


@pytest.mark.parametrize("options", [(), ("--preset", "Q4"), ("--preset", "F16", "--tensor", "attn_q")])
def test_wrong_usage(path, tmp_path, options):
    status, _, err = run("quantize", path, str(tmp_path / "a.gguf"), *options)
    assert status == 2
    assert "usage: gesso quantize" in err


def test_a_terminal_sees_a_bar(path, tmp_path):
    status, sent = run_in_terminal("quantize", path, str(tmp_path / "a.gguf"), "--preset", "F16", columns=120)
    assert status == 0
    assert "100 %" in sent
    assert "bits per weight" in sent.splitlines()[-1]


def test_types_by_the_writer_and_by_the_command_are_the_same(path, tmp_path):
    assert quantize(path, tmp_path / "a.gguf", "--preset", "F16") == 0
    tiny_model(tmp_path / "b.gguf", types=matrices_as("F16"), **SIZES)
    assert {n: t.dtype for n, t in by_name(tmp_path / "a.gguf").items()} == {
        name: tensor.dtype for name, tensor in by_name(tmp_path / "b.gguf").items()
    }
