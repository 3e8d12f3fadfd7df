"""The option `activations` of gesso.load and of the commands on the CPU, and how little "int8" changes the results."""

import pytest

import gesso
from gesso.bundled import sudoku
from gesso.bundled.sudoku_model import bundled_model, make_puzzles, solve
from gesso.files.gguf_writer import matrices_as
from gesso.measure.compare import compare_logits
from python.command_line import run
from python.expect import raises
from python.tiny_model import tiny_model

NUM_PUZZLES, NUM_COMPARED = 25, 4
MAX_MEAN_KL = 1e-3  # nats


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf", types=matrices_as("Q8_0"))


@pytest.mark.parametrize(("asked", "got"), [("auto", "int8"), ("int8", "int8"), ("f32", "f32")])
def test_names(path, asked, got):
    model = gesso.load(path, "cpu", activations=asked)
    assert model.activations == got
    assert repr(model).endswith(f", {got}>")


def test_the_cpu_has_no_bf16(path):
    with raises(gesso.ArgumentError, 'activations: the CPU has "f32" and "int8", got "bf16"'):
        gesso.load(path, "cpu", activations="bf16")


@pytest.mark.parametrize("name", ["fp16", "F32", ""])
def test_no_such_name(path, name):
    with raises(gesso.ArgumentError, f'activations: expected "auto", "f32", "bf16" or "int8", got "{name}"'):
        gesso.load(path, activations=name)


@pytest.mark.parametrize("name", ["auto", "f32", "int8"])
def test_run(path, name):
    prompt, options = "hi", ("--max-new-tokens", "8", "--device", "cpu", "--activations", name)
    status, out, err = run("run", str(path), prompt, "--raw", *options)
    assert status == 0, err
    assert out.rstrip("\n") == gesso.load(path, "cpu", activations=name).generate(prompt, max_new_tokens=8).texts[0]


def test_run_refuses_bf16(path):
    status, _, err = run("run", str(path), "hi", "--device", "cpu", "--activations", "bf16")
    assert status == 2
    assert 'the CPU has "f32" and "int8"' in err


@pytest.fixture(scope="module")
def models():
    return [gesso.load(bundled_model(), "cpu", activations=kind) for kind in ("f32", "int8")]


def test_int8_predicts_as_f32(models):
    f32, int8 = models
    prompts = [f32.tokenizer.encode_prompt(puzzle) for puzzle in make_puzzles(3, NUM_COMPARED)]
    found = compare_logits(f32, int8, prompts)
    assert 0 < found.mean_kl <= MAX_MEAN_KL
    assert found.argmax_agreement >= 0.98


def test_int8_solves_as_many_puzzles(models):
    """bench/small_model.py does the same with more puzzles."""
    puzzles = make_puzzles(3, NUM_PUZZLES)
    f32, int8 = (sum(map(sudoku.solves, puzzles, solve(model, puzzles, 0).texts)) for model in models)
    assert f32 >= 0.9 * NUM_PUZZLES
    assert abs(int8 - f32) <= 1
