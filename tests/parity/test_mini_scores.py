"""The trained model "mini" answers as well in gesso as in the reference, with the same draws, and when it is quantised.

`make parity` asks few questions, `make mini-scores` a thousand.
"""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the parity tests compare with transformers, which needs torch")
pytest.importorskip("transformers", reason="the parity tests compare with transformers")

from mini import checkpoint, evaluation, export
from mini.sizes import Sizes

import gesso
from gesso.cli.program import main as gesso_command
from gesso.files.short_names import bundled_models
from parity import mini_reference

TRAINED = Path(__file__).resolve().parents[2] / "python/training/mini/trained"


@pytest.fixture(scope="module")
def weights():
    file = TRAINED / "weights.safetensors"
    if not file.exists():
        pytest.skip(f"{file}: there are no trained weights")
    return checkpoint.load_weights(file)[0]


@pytest.fixture(scope="module")
def file(weights, tmp_path_factory):
    """What `export_mini.py` makes of the weights."""
    file = tmp_path_factory.mktemp("mini") / "mini.gguf"
    export.write_folder(file.with_suffix(""), weights, Sizes())
    export.write_gguf(file.with_suffix(""), file, "Q8_0")
    return file


@pytest.fixture(scope="module")
def examples(request):
    return evaluation.draw_examples(request.config.getoption("--dialogues"))


@pytest.fixture(scope="module")
def theirs(weights, file, examples):
    return mini_reference.answers(mini_reference.build(Sizes(), weights), gesso.load(file, "cpu"), examples)


def test_the_bundled_file_holds_these_weights(file):
    assert file.read_bytes() == bundled_models()["mini"].read_bytes()


def test_float32_gives_the_answers_and_scores_of_the_reference(file, examples, theirs, report):
    ours = list(evaluation.ask(gesso.load(file, "cpu", activations="f32"), examples))
    differ = sum((a.ids, a.steps) != (b.ids, b.steps) for a, b in zip(ours, theirs, strict=True))
    report.count("answers of mini compared", len(examples))
    report.count("of these, answers that differ", differ)
    assert differ <= 0.02 * len(examples)  # decisions that are closer than rounding errors
    scores = [evaluation.score(examples, answers) for answers in (ours, theirs)]
    one = 1 / min(score.dialogues for score in scores[0].values())  # of few dialogues, one is more than a point
    for bar, other in zip(*map(evaluation.bars, scores), strict=True):
        assert abs(bar.value - other.value) <= max(0.01, one) + 1e-9, (bar, other)


@pytest.mark.parametrize(("quant", "most_lost", "most_won"), [("Q8_0", 0.01, 0.01), ("Q4_K_M", 0.03, 1)])
def test_rounding_costs_few_right_answers(quant, most_lost, most_won, file, examples, theirs, report):
    """As users run it: inputs of products are rounded to 8 bits."""
    if quant != "Q8_0":
        source, file = file, file.with_name(f"{quant}.gguf")
        assert gesso_command(["quantize", str(source), str(file), "--preset", quant]) == 0
    answers = evaluation.ask(gesso.load(file, "cpu"), examples)
    ours, expected = (evaluation.of_known_phrases(evaluation.score(examples, x)) for x in (answers, theirs))
    report.count(f"right of {ours.dialogues} with {quant}", ours.right)
    report.count(f"right of them with the reference, beside {quant}", expected.right)
    lost, few = expected.right - ours.right, 2  # of few dialogues, one is more than a point
    assert -max(few, most_won * ours.dialogues) <= lost <= max(few, most_lost * ours.dialogues)
