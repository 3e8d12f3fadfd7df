"""`gesso inspect --compare`: errors of tensors are compared with NumPy's, predictions with their definition."""

import json
import math

import numpy as np
import pytest

import gesso
from gesso.cli.program import main
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import matrices_as, write_gguf
from gesso.files.hf.folder import read_checkpoint
from gesso.files.tensor import Tensor
from gesso.measure import compare
from gesso.measure.compare import compare_logits, compare_tensors
from python.command_line import run
from python.expect import raises
from python.hf_folders import hf_folder
from python.tiny_model import VOCABULARY, tiny_model

RNG_SEED = 5


def random(*shape, seed=RNG_SEED):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def tensor(name, values):
    return Tensor(name, "F32", values.shape, np.ascontiguousarray(values))


def only_error(a, b):
    found = compare_tensors(a, b)
    assert (len(found.errors), found.only_in_a, found.only_in_b, found.other_shape) == (1, [], [], [])
    return found.errors[0]


# Tensors


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (2, 3, 4), (3, 1, 33)])
@pytest.mark.parametrize("chunk_elements", [1, 10, 1 << 22])
def test_errors_are_those_of_numpy(monkeypatch, shape, chunk_elements):
    monkeypatch.setattr(compare, "CHUNK_ELEMENTS", chunk_elements)
    a, b = random(*shape), random(*shape, seed=6)
    error = only_error([tensor("x", a)], [tensor("x", b)])
    difference = b.astype(np.float64) - a
    assert error.relative_rms == pytest.approx(np.linalg.norm(difference) / np.linalg.norm(a.astype(np.float64)), 1e-6)
    assert error.max_abs == pytest.approx(np.abs(difference).max(), rel=1e-6)
    assert (error.types, error.num_bytes, error.shape) == (("F32", "F32"), (4 * a.size, 4 * a.size), shape)


def test_zeros_and_values_that_are_not_finite():
    def error(a, b):
        found = only_error([tensor("x", np.array(a, np.float32))], [tensor("x", np.array(b, np.float32))])
        return found.relative_rms, found.max_abs

    assert error([0, 0], [0, 0]) == (0, 0)
    assert error([0, 0], [0, 1]) == (math.inf, 1)
    assert error([np.inf, 3, 4], [np.inf, 3, 4])[1] == 0
    assert all(math.isnan(x) for x in error([1, 2], [1, np.nan]))


def test_a_scale_belongs_to_its_matrix():
    for shape, scale in (((3, 4), [4.0]), ((3, 4, 5), [4.0]), ((3, 4, 5), [1.0, 2.0, 8.0])):
        values, factors = random(*shape), np.array(scale, np.float32)
        scaled = values / factors.reshape(-1, *[1] * (len(shape) - 1))  # exact, because factors are powers of two
        extra = [tensor("m.scale", factors), tensor("m.input_scale", factors)]
        assert only_error([tensor("m.weight", values)], [tensor("m.weight", scaled), *extra]).relative_rms == 0
        assert only_error([tensor("m.weight", scaled), *extra], [tensor("m.weight", values)]).relative_rms == 0
        assert only_error([tensor("m.weight", scaled)], [tensor("m.weight", scaled), *extra]).max_abs > 0.1


def test_a_scale_must_fit_its_matrix():
    a = [tensor("m.weight", random(3, 4, 5)), tensor("m.scale", random(2))]
    with raises(ValueError, "m.scale: expected 1 or 3 values, got 2"):
        compare_tensors(a, a)


def test_the_routers_scale_is_a_tensor_of_its_own():
    router, scale = tensor("blk.0.ffn_gate_inp.weight", random(4, 8)), random(8)
    a, b = ([router, tensor("blk.0.ffn_gate_inp.scale", x)] for x in (scale, 2 * scale))
    errors = {error.name: error.relative_rms for error in compare_tensors(a, b).errors}
    assert errors == {"blk.0.ffn_gate_inp.weight": 0, "blk.0.ffn_gate_inp.scale": pytest.approx(1)}


def test_fused_experts_are_compared_with_split_ones():
    gate, up, scale = random(3, 4, 8), random(3, 4, 8, seed=6), np.array([1, 2, 3], np.float32)
    fused = [
        tensor("blk.0.ffn_gate_up_exps.weight", np.concatenate([gate, up], axis=1)),
        tensor("blk.0.ffn_gate_up_exps.scale", scale),
    ]
    split = [tensor("blk.0.ffn_gate_exps.weight", gate), tensor("blk.0.ffn_up_exps.weight", up + 1)]
    split += [tensor("blk.0.ffn_gate_exps.scale", scale), tensor("blk.0.ffn_up_exps.scale", scale)]
    for a, b in ((fused, split), (split, fused)):
        found = compare_tensors(a, b)
        errors = {error.name: error for error in found.errors}
        assert found.only_in_a == found.only_in_b == []
        assert errors["blk.0.ffn_gate_exps.weight"].relative_rms == 0
        assert errors["blk.0.ffn_up_exps.weight"].max_abs == pytest.approx(3, rel=1e-6)
        assert errors["blk.0.ffn_up_exps.weight"].num_bytes == (up.nbytes, up.nbytes)
    assert [error.name for error in compare_tensors(fused, fused).errors] == ["blk.0.ffn_gate_up_exps.weight"]


def test_what_cannot_be_compared_is_named():
    a = [tensor("x", random(3)), tensor("y", random(4)), Tensor("z", "I8", (4,), np.zeros(4, np.uint8))]
    b = [tensor("w", random(3)), tensor("y", random(5)), Tensor("z", "I8", (4,), np.zeros(4, np.uint8))]
    found = compare_tensors(a, b)
    assert (found.only_in_a, found.only_in_b, found.other_shape) == (["x"], ["w"], [("y", (4,), (5,))])
    assert [(error.name, error.relative_rms, error.max_abs) for error in found.errors] == [("z", None, None)]


def test_block_types_are_decoded(tmp_path):
    paths = [tiny_model(tmp_path / f"{dtype}.gguf", types=matrices_as(dtype)) for dtype in ("F32", "Q8_0")]
    a, b = ({x.name: x for x in read_gguf(path).tensors()} for path in paths)
    errors = compare_tensors(a.values(), b.values()).errors
    assert len(errors) == len([name for name in a if not name.endswith("down_exps.scale")])
    for error in errors:
        values, stored = (x[error.name].to_float32().astype(np.float64) for x in (a, b))
        if error.name.endswith("down_exps.weight"):
            scale = a[error.name.replace("weight", "scale")].to_float32()[:, None, None]
            values, stored = values * scale, stored * scale
        assert error.types == ("F32", b[error.name].dtype)
        assert error.num_bytes == (a[error.name].num_bytes, b[error.name].num_bytes)
        assert error.max_abs == pytest.approx(np.abs(stored - values).max(), rel=1e-4)
        assert error.relative_rms == pytest.approx(np.linalg.norm(stored - values) / np.linalg.norm(values), rel=1e-4)
        assert (error.max_abs > 0) == (error.types[1] == "Q8_0")


def test_a_folder_equals_its_gguf(tmp_path):
    folder = hf_folder(tmp_path / "folder", "bf16")
    checkpoint = read_checkpoint(folder)
    write_gguf(tmp_path / "a.gguf", checkpoint.metadata, checkpoint.tensors())
    found = compare_tensors(checkpoint.tensors(), read_gguf(tmp_path / "a.gguf").tensors())
    assert {error.relative_rms for error in found.errors} == {0}
    status, out, err = run("inspect", "--compare", str(folder), str(tmp_path / "a.gguf"), "--json", "--canvases", "2")
    assert status == 0, err
    logits = json.loads(out)["logits"]
    assert (logits["mean_kl"], logits["max_kl"], logits["argmax_agreement"]) == (0, 0, 1)


# Predictions


@pytest.mark.parametrize("chunk_logits", [1, 50, 1 << 21])
def test_kl_and_agreement_are_as_defined(monkeypatch, chunk_logits):
    monkeypatch.setattr(compare, "CHUNK_LOGITS", chunk_logits)
    a, b = 5 * random(6, 20), 5 * random(6, 20, seed=6)
    b[:2] = a[:2]
    kl, agree = [], []
    compare._add_rows(a, b, kl, agree)
    p, q = (np.exp(x.astype(np.float64)) / np.exp(x.astype(np.float64)).sum(axis=1, keepdims=True) for x in (a, b))
    assert kl == pytest.approx((p * np.log(p / q)).sum(axis=1).tolist(), abs=1e-12)
    assert agree == (p.argmax(axis=1) == q.argmax(axis=1)).tolist()
    assert agree[:2] == [True, True]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    types = {"F32": None, "Q8_0": matrices_as("Q8_0"), "Q4_0": matrices_as("Q4_0")}
    return {name: str(tiny_model(folder / f"{name}.gguf", types=kind)) for name, kind in types.items()}


def test_a_coarser_type_predicts_worse(paths):
    a, q8_0, q4_0 = (gesso.load(path, "cpu", 1, activations="f32") for path in paths.values())
    prompts = [[2, 10, 11], [2, 12], [2, 13, 14, 15]]
    same = compare_logits(a, a, prompts)
    assert (same.num_positions, same.mean_kl, same.max_kl, same.argmax_agreement) == (3 * 2 * 8, 0, 0, 1)
    fine, coarse = (compare_logits(a, b, prompts, seed=1) for b in (q8_0, q4_0))
    assert 0 < fine.mean_kl < 0.1 * coarse.mean_kl
    assert 0 < fine.mean_kl < fine.max_kl
    assert compare_logits(a, q8_0, prompts, seed=1) == fine
    assert compare_logits(a, q8_0, prompts, seed=2) != fine
    assert compare_logits(q8_0, a, prompts, seed=1) != fine


def test_the_first_pass_is_over_noise_and_the_second_conditioned(paths, monkeypatch):
    model = gesso.load(paths["F32"], num_threads=1)
    calls = []
    denoise = gesso.Session.denoise

    def record(session, canvas, conditioning=None):
        logits = denoise(session, canvas, conditioning)
        calls.append((np.array(canvas), None if conditioning is None else conditioning.copy(), logits.copy()))
        return logits

    monkeypatch.setattr(gesso.Session, "denoise", record)
    compare_logits(model, model, [[2, 3]], seed=3)
    (noise, none, logits), second = calls[0], calls[2:]
    assert len(calls) == 4
    assert none is None
    for canvas, conditioning, _ in second:
        np.testing.assert_array_equal(conditioning, logits / np.float32(model.config.t_max))
        assert ((canvas == noise) | (canvas == logits[0].argmax(axis=1))).all()


def test_models_of_other_vocabularies_are_refused(paths, tmp_path):
    a = gesso.load(paths["F32"])
    b = gesso.load(tiny_model(tmp_path / "b.gguf", canvas_length=16))
    with raises(ValueError, "canvas_length: expected the same in both models, got 8 and 16"):
        compare_logits(a, b, [[2]])


# The command


def test_command_prints_tables(paths):
    status, out, err = run("inspect", "--compare", paths["F32"], paths["Q4_0"], "--prompt", "hi", "--threads", "1")
    assert status == 0, err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert any(line.startswith("blk.2.attn_q.weight [128, 32] F32 Q4_0 16.4 kB 2.3 kB ") for line in lines)
    assert not any(line.startswith("output_norm.weight") for line in lines)  # it is the same in both
    assert any(line.startswith("F32 Q4_0 ") for line in lines)
    assert "Predictions for 4 canvases behind 3 tokens, two passes each" in lines
    assert "positions 64" in lines


def test_command_json(paths):
    report = json.loads(run("inspect", "--compare", paths["F32"], paths["Q8_0"], "--json", "--seed", "3")[1])
    again = json.loads(run("inspect", "--compare", paths["F32"], paths["Q8_0"], "--json", "--seed", "3")[1])
    assert report == again
    assert report["logits"]["mean_kl"] > 0
    assert report["problem"] is None
    group = next(x for x in report["types"] if (x["a"], x["b"]) == ("F32", "Q8_0"))
    matrices = [x for x in report["tensors"] if x["type_b"] == "Q8_0"]
    assert group["count"] == len(matrices)
    assert group["bytes_b"] == sum(x["bytes_b"] for x in matrices)
    assert 0.001 < group["relative_rms"] < 0.01
    assert run("inspect", "--compare", *[paths["F32"]] * 2, "--json", "--canvases", "0")[1].count('"logits": null') == 1


def test_command_says_what_cannot_be_compared(paths, tmp_path):
    other = str(tiny_model(tmp_path / "b.gguf", canvas_length=16, hidden_size=64))
    status, out, _ = run("inspect", "--compare", paths["F32"], other)
    assert status == 1
    assert "Of another shape, and not compared" in out
    assert "The predictions cannot be compared: canvas_length: expected the same in both models, got 8 and 16" in out
    source = read_gguf(paths["F32"])
    write_gguf(other, source.metadata, source.tensors()[1:])
    status, out, _ = run("inspect", "--compare", paths["F32"], other)
    assert status == 1
    assert f"The predictions cannot be compared: {other}: tensors do not fit" in out
    status, _, err = run("inspect", "--compare", paths["F32"], str(tmp_path / "missing"))
    assert (status, "missing: No such file" in err) == (1, True)
    without = str(tmp_path / "one.gguf")
    write_gguf(without, source.metadata, source.tensors()[:1])
    status, out, _ = run("inspect", "--compare", other, without, "--canvases", "0")
    assert status == 1
    assert "have no tensor in common" in out


def test_models_with_other_tokens_are_not_compared(paths, tmp_path):
    """The numbers of the same weights are equal, but they mean other texts."""
    tokens = list(VOCABULARY)
    tokens[-1], tokens[-2] = tokens[-2], tokens[-1]
    other = str(tiny_model(tmp_path / "b.gguf", metadata={"tokenizer.ggml.tokens": tokens}))
    status, out, _ = run("inspect", "--compare", paths["F32"], other)
    assert status == 1
    i = len(tokens) - 2
    assert f"token {i}: expected the same in both models, got {tokens[-1]!r} and {tokens[-2]!r}" in out


def test_predictions_that_are_not_numbers_are_valid_json_too(paths, tmp_path, capsys):
    source = read_gguf(paths["F32"])
    tensors = [
        Tensor(x.name, x.dtype, x.shape, np.full(x.shape, np.nan, np.float32)) if x.name == "output_norm.weight" else x
        for x in source.tensors()
    ]
    write_gguf(tmp_path / "nan.gguf", source.metadata, tensors)
    assert main(["inspect", "--compare", paths["F32"], str(tmp_path / "nan.gguf"), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["logits"] is None
    assert report["problem"].startswith("model B: sequence 0, canvas 0, step 0: numbers are not finite, first in the ")


@pytest.mark.parametrize(
    "arguments", [[], ["X", "--compare", "A", "B"], ["--compare", "A"], ["--compare", "A", "B", "--seed", "-1"]]
)
def test_wrong_usage_has_status_2(arguments):
    status, _, err = run("inspect", *arguments)
    assert status == 2
    assert err.startswith("usage: gesso inspect")
