"""bench/mini_quality.py: a row for each setting, from the same dialogues."""

import json

import pytest
from mini.evaluation import draw_examples

import mini_quality
from gesso.files.gguf_writer import matrices_as
from mini_quality import DEFAULT, SETTINGS, Setting, measure, row
from python.tiny_model import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """It knows nothing, so its replies are wrong."""
    file = tmp_path_factory.mktemp("mini") / "tiny.gguf"
    return tiny_model(file, types=matrices_as("Q8_0"), max_position_embeddings=4096)


def test_rows_differ_in_what_they_set(model):
    settings = [Setting(DEFAULT), Setting("Q4_0", "Q4_0"), Setting("few", options={"max_denoising_steps": 2})]
    first, small, few = measure(model, settings, draw_examples(11), 1)
    for record in (first, small, few):
        assert (record["dialogues"], record["right"]) == (11, 0)
    assert first["steps_per_canvas"] == small["steps_per_canvas"] == 6  # it never becomes certain
    assert few["steps_per_canvas"] == 2
    assert small["file_bytes"] < first["file_bytes"] == few["file_bytes"] == model.stat().st_size
    assert (few["options"], first["activations"]) == ({"max_denoising_steps": 2}, "int8")
    assert row(few).startswith("| few | 0.1") and "| 0.0% | 2.00 |" in row(few)


def test_settings_are_known_and_have_names_of_their_own():
    names = [setting.name for setting in SETTINGS]
    assert len(set(names)) == len(names)
    assert names[0] == DEFAULT
    assert "max_denoising_steps 4" in names and "Q4_K_M" in names


def test_the_command_writes_a_record_a_line(model, tmp_path, capsys):
    file = tmp_path / "quality.json"
    arguments = ["--model", str(model), "--dialogues", "11", "--threads", "1", "-o", str(file)]
    assert mini_quality.main([*arguments, "--only", DEFAULT, "max_denoising_steps 4"]) == 0
    records = json.loads(file.read_text())
    assert [record["setting"] for record in records] == [DEFAULT, "max_denoising_steps 4"]
    assert len(file.read_text().splitlines()) == 4
    assert capsys.readouterr().out.splitlines()[2:] == [row(record) for record in records]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dialogues", "5"], "argument --dialogues: expected at least 11, one of each task, got 5"),
        (["--dialogues", "-3"], "argument --dialogues: expected at least 11"),
        (["-o", "/no/such/folder/x.json"], "argument -o: /no/such/folder/x.json: there is no folder"),
        (["--threads", "0"], "argument --threads: expected a whole number above 0"),
    ],
)
def test_what_cannot_be_measured_or_kept_is_refused_at_once(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(mini_quality, "measure", lambda *_: pytest.fail("it began to measure"))
    with pytest.raises(SystemExit):
        mini_quality.main(arguments)
    assert message in capsys.readouterr().err
