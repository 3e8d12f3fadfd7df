"""What the scripts of the small model "mini" refuse before they begin to work."""

import argparse
import sys

import pytest
import rerun_mini
from mini.arguments import new_file, num_dialogues
from mini.log import cut_log, lines_until
from mini.tasks import TASKS


def test_there_is_a_dialogue_of_each_task():
    assert num_dialogues(str(len(TASKS))) == len(TASKS)
    for few in ("5", "0", "-3"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"at least {len(TASKS)}, one of each task, got {few}"):
            num_dialogues(few)


def test_a_file_is_named_in_a_folder_that_is_there(tmp_path):
    assert new_file(str(tmp_path / "x.json")) == tmp_path / "x.json"
    with pytest.raises(argparse.ArgumentTypeError, match="there is no folder .*missing"):
        new_file(str(tmp_path / "missing" / "x.json"))
    with pytest.raises(argparse.ArgumentTypeError, match="got the folder"):
        new_file(str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dialogues", "5"], "argument --dialogues: expected at least 11"),
        (["--max-denoising-steps", "0"], "argument --max-denoising-steps: expected a whole number above 0, got 0"),
        (["--threads", "0"], "argument --threads: expected a whole number above 0"),
        (["--json", "/no/such/folder/x.json"], "argument --json: /no/such/folder/x.json: there is no folder"),
    ],
)
def test_an_evaluation_is_refused(monkeypatch, capsys, arguments, message):
    import evaluate_mini

    monkeypatch.setattr(evaluate_mini.gesso, "load", lambda *_: pytest.fail("a model was loaded"))
    monkeypatch.setattr(sys, "argv", ["evaluate_mini.py", *arguments])
    with pytest.raises(SystemExit):
        evaluate_mini.main()
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "49"], "--steps: expected at least 50, the first step in a log, got 49"),
        (["--steps", "0"], "argument --steps: expected a whole number above 0"),
        (["--steps", "120"], "log.jsonl has no losses up to step 120"),
    ],
)
def test_a_rerun_without_losses_is_refused(monkeypatch, capsys, tmp_path, arguments, message):
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 150}\n')
    monkeypatch.setattr(rerun_mini.subprocess, "run", lambda *_, **__: pytest.fail("it began to train"))
    monkeypatch.setattr(sys, "argv", ["rerun_mini.py", "--log", str(log), *arguments])
    with pytest.raises(SystemExit):
        rerun_mini.main()
    assert message in capsys.readouterr().err


def test_a_log_is_cut_behind_a_step(tmp_path):
    log = tmp_path / "log.jsonl"
    cut_log(log, 3)
    assert not log.exists()
    lines = [f'{{"step": {step}}}\n' for step in range(1, 6)]
    log.write_text("".join(lines) + '{"st')
    assert lines_until(log, 9) == lines
    cut_log(log, 3)
    assert log.read_text() == "".join(lines[:3])
    assert list(tmp_path.iterdir()) == [log]
