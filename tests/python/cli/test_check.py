"""`gesso inspect --check`, and what other commands say of weights that are not finite."""

from __future__ import annotations

import json
import re
import signal

import numpy as np
import pytest

import gesso
from gesso.cli.parts import check
from gesso.cli.program import main
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf
from gesso.files.imatrix import write_imatrix
from gesso.files.tensor import Tensor, quantize
from gesso.measure.not_finite import find_not_finite
from gesso.terminal.progress import Progress
from python.command_line import run
from python.hf_folders import hf_folder, values
from python.tiny_model import tiny_model

NAME = "blk.1.ffn_down.weight"  # [32, 64]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tiny_model(tmp_path_factory.mktemp("models") / "good.gguf"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory, path):
    """The model with three broken values in one matrix, at [3, 17], [3, 18] and [20, 0], and one in a vector."""
    source = read_gguf(path)
    tensors = {tensor.name: tensor for tensor in source.tensors()}
    matrix = np.array(tensors[NAME].data)
    matrix[3, 17], matrix[3, 18], matrix[20, 0] = np.inf, np.nan, -np.inf
    tensors[NAME] = Tensor(NAME, "F32", matrix.shape, matrix)
    tensors["output_norm.weight"] = Tensor("output_norm.weight", "F32", (32,), np.full(32, np.nan, np.float32))
    target = tmp_path_factory.mktemp("models") / "broken.gguf"
    write_gguf(target, source.metadata, tensors.values())
    return str(target)


def test_a_good_file(path):
    num_tensors = len(read_gguf(path).tensors())
    expected = f"{path}: {num_tensors} of {num_tensors} tensors have only finite numbers\n"
    assert run("inspect", "--check", path) == (0, expected, "")


def test_a_broken_file(broken):
    status, out, err = run("inspect", broken, "--check")
    num_tensors = len(read_gguf(broken).tensors())
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "output_norm.weight F32 [32]: 32 NaN, 0 infinite, first at [0]",
        f"{NAME} F32 [32, 64]: 1 NaN, 2 infinite, first at [3, 17]",
        f"{broken}: {num_tensors - 2} of {num_tensors} tensors have only finite numbers",
    ]
    status, out, _ = run("inspect", broken, "--check", "--json")
    report = json.loads(out)
    assert status == 1 and report["tensors"] == num_tensors and report["unread"] == []
    assert report["broken"][1] == {
        "name": NAME, "type": "F32", "shape": [32, 64], "first": [3, 17],
        "num_nan": 1, "num_infinite": 2, "num_scales": 0,
    }  # fmt: skip


def test_a_folder(tmp_path):
    weights = values()
    name = next(name for name in weights if name.endswith("layers.1.mlp.down_proj.weight"))
    weights[name][2, 5] = np.nan
    status, out, _ = run("inspect", "--check", str(hf_folder(tmp_path / "folder", "bf16", weights=weights)))
    assert status == 1 and out.startswith("blk.1.ffn_down.weight BF16 [64, 64]: 1 NaN, 0 infinite, first at [2, 5]\n")


@pytest.mark.parametrize(
    ("dtype", "place", "code", "expected"),
    [
        ("Q8_0", slice(0, 2), [0x00, 0x7C], (31, 1, 0)),  # the scale is infinite; a level of 0 makes NaN
        ("Q4_K", slice(0, 2), [0x00, 0x7E], (256, 0, 0)),  # the scale is NaN
        ("NVFP4", slice(1, 2), [0x7F], (0, 0, 1)),  # NaN, which decodes as 0
        ("NVFP4", slice(3, 4), [0xFF], (0, 0, 1)),  # the same with a sign, which does not count
        ("MXFP4", slice(0, 1), [0xFF], None),  # NaN, which decodes as 2^127
    ],
)
def test_block_scales(dtype, place, code, expected):
    rows = np.zeros((3, 256), np.float32)
    rows[:] = np.linspace(-1, 1, 256)
    stored = quantize(rows, dtype)
    stored[1, place] = code
    tensor = Tensor("x.weight", dtype, rows.shape, stored)
    good = Tensor("y.weight", dtype, rows.shape, quantize(rows, dtype))
    (found,) = find_not_finite([good, tensor]).broken
    assert found.name == "x.weight"
    if dtype == "Q8_0":
        assert found.num_nan + found.num_infinite == 32 and found.first == (1, 0)
    elif expected:
        assert (found.num_nan, found.num_infinite, found.num_scales) == expected
    else:
        assert found.num_scales == 1


def test_large_tensors_are_read_in_chunks():
    """The first index counts over chunks of 32 MiB, and so do the numbers."""
    data = np.zeros((9, 1 << 20), np.float32)  # 36 MiB
    data[8, 7], data[8, 9], data[2, 1] = np.nan, np.inf, np.nan
    calls = []
    (found,) = find_not_finite(
        [Tensor("x", "F32", data.shape, data)], on_progress=lambda *call: calls.append(call)
    ).broken
    assert (found.first, found.num_nan, found.num_infinite) == ((2, 1), 2, 1)
    assert calls == [(32 << 20, 36 << 20, "x"), (36 << 20, 36 << 20, "x")]


def test_a_type_that_gesso_cannot_read(tmp_path):
    found = find_not_finite([Tensor("x", "I32", (1, 8), np.zeros((1, 8), np.int32))])
    assert (found.broken, found.unread) == ([], ["x"])


def test_wrong_usage(path):
    status, _, err = run("inspect", "--check", "--compare", path, path)
    assert status == 2 and "--check: expected MODEL, got --compare" in err


@pytest.mark.parametrize("command", ["run", "bench"])
def test_commands_name_the_layer(broken, command):
    arguments = {"run": ("hi", "--raw"), "bench": ("-p", "8", "--steps", "2", "-r", "1")}[command]
    status, out, err = run(command, broken, *arguments)
    assert (status, out) == (1, "")
    assert re.search(r"gesso: sequence 0, canvas 0, step 0: numbers are not finite, first in layer 1\. A weight", err)


def test_comparing_predictions_names_the_layer(path, broken):
    status, out, _ = run("inspect", "--compare", path, broken, "--canvases", "1")
    expected = "sequence 0, canvas 0, step 0: numbers are not finite, first in layer 1."
    assert status == 1 and f"\nThe predictions cannot be compared: model B: {expected}" in out


def test_imatrix_writes_nothing(broken, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("hello world, this is a text")
    status, _, err = run("imatrix", broken, str(text), str(tmp_path / "out.gguf"))
    assert status == 1 and "first in layer 1" in err and not (tmp_path / "out.gguf").exists()


def test_sums_that_are_not_finite_are_refused(tmp_path):
    class Entry:
        name, counts, sums = "blk.0.attn_q.weight", np.ones(1), np.full((1, 8), np.nan, np.float32)

    with pytest.raises(ValueError, match=r"^blk\.0\.attn_q\.weight: sums of squared activations that are not finite"):
        write_imatrix(tmp_path / "x.gguf", [Entry()], {"datasets": ["x"], "chunk_count": 1, "chunk_size": 8})


def test_quantize_refuses_and_names_them(broken, tmp_path):
    """A block format cannot hold them, so it is refused. A float type holds them, so they are named."""
    status, _, err = run("quantize", broken, str(tmp_path / "x.gguf"), "--preset", "Q8_0")
    assert status == 1 and "blk.1.ffn_down.weight: cannot be written as Q8_0: quantize: element 209 is inf" in err
    status, _, err = run("quantize", broken, str(tmp_path / "x.gguf"), "--preset", "BF16")
    assert status == 0
    for name, count in (("output_norm.weight", 32), (NAME, 3)):
        assert f"gesso: warning: {name}: {count} values are NaN or infinite; `gesso inspect --check` shows where" in err


def test_ctrl_c_ends_a_check(path, monkeypatch):
    """The signal comes within the first chunk, and ends the command before the second."""
    calls = []

    def interrupt(self, *call):
        calls.append(call)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Progress, "update", interrupt)
    assert main(["inspect", "--check", path]) == 130
    assert len(calls) == 1


def test_python(broken):
    with pytest.raises(ArithmeticError) as caught:
        gesso.load(broken, device="cpu").generate([5, 6], max_new_tokens=8)
    error = caught.value
    assert isinstance(error, gesso.NumericsError) and not isinstance(error, ValueError)
    assert (error.sequence, error.canvas, error.step, error.layer, error.place) == (0, 0, 0, 1, "layer 1")


@pytest.mark.parametrize(("options", "mapped"), [([], True), (["--no-mmap"], False)])
def test_the_file_is_mapped_unless_the_user_does_not_want_it(broken, monkeypatch, options, mapped):
    asked = []
    monkeypatch.setattr(check, "read_tensors", lambda path, *, mmap: asked.append(mmap) or iter(()))
    main(["inspect", str(broken), "--check", *options])
    assert asked == [mapped]
