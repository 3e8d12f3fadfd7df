"""`gesso run`: what a terminal shows and when, answers that are cut, prompts from files, stop strings and JSON."""

from __future__ import annotations

import io
import json
import os
import signal

import pytest

import gesso
from gesso.cli.program import main
from python.command_line import read_until, run, run_in_terminal, start_in_terminal
from python.tiny_model import tiny_model

RAW = ("--raw", "--max-new-tokens", "24")  # three canvases


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf"))


@pytest.fixture(scope="module")
def model(path):
    return gesso.load(path)


def gesso_run(capsys, *arguments):
    """Runs the command in this process. Returns its status, standard output and standard error."""
    status = main(["run", *arguments])
    return (status, *capsys.readouterr())


def test_a_terminal_shows_the_prompt_being_read_and_then_each_step(path):
    sent = run_in_terminal("run", path, "hi", "--raw", "--max-new-tokens", "8", columns=200)[1]
    assert 0 < sent.index("reading the prompt, 3 tokens") < sent.index("canvas 1  step 1/6")


def test_the_first_step_is_seen_before_the_canvas_is_done(path):
    """No canvas of this run settles in a year, and Ctrl-C ends it."""
    forever = ("--steps", "1000000000", "--confidence", "0")
    process, terminal = start_in_terminal("run", path, "hi", "--raw", *forever, columns=200)
    sent = read_until(terminal, "mean entropy")
    assert "reading the prompt" in sent and "step 1/1000000000" in sent
    process.send_signal(signal.SIGINT)
    read_until(terminal)
    os.close(terminal)
    assert process.wait(timeout=60) == 130


def test_plain_shows_final_text_alone(path, model):
    status, sent = run_in_terminal("run", path, "hi", *RAW, "--plain", columns=200)
    assert status == 0
    assert "step 1" not in sent and "reading" not in sent and "\x1b" not in sent
    assert run_in_terminal("run", path, "hi", *RAW, columns=200)[1] != sent


def test_an_answer_that_was_cut_says_how_to_get_more(capsys, tmp_path, path, model):
    path = str(tiny_model(tmp_path / "on.gguf", metadata={"gesso.end_token_ids": []}))  # its texts never end
    arguments = (path, "hi", "--raw", "--max-new-tokens")
    err = "gesso: the answer was cut after 20 tokens; --max-new-tokens 40 gives more\n"
    assert gesso_run(capsys, *arguments, "20")[::2] == (0, err)
    most = (model.config.max_position_embeddings - 3) // 8 * 8  # whole canvases behind three tokens
    near = str(most - 16)
    assert f"; --max-new-tokens {most} gives more\n" in gesso_run(capsys, *arguments, near, "--steps", "1")[2]
    full = gesso_run(capsys, *arguments, str(most), "--steps", "1")[2]
    assert full == f"gesso: the answer was cut after {most:,} tokens, since the model's context of 512 is full\n"
    more = gesso_run(capsys, *arguments, str(most + 8))[2]
    assert f"max_new_tokens of at most {most} fits" in more  # the advice above is right
    ends = str(tiny_model(tmp_path / "ends.gguf", metadata={"gesso.end_token_ids": list(range(300))}))
    assert gesso_run(capsys, ends, "hi", "--raw", "--max-new-tokens", "8") == (0, "", "")


def test_an_answer_whose_time_is_over(capsys, path):
    forever = ("--raw", "--steps", "1000000000", "--confidence", "0")
    status, out, err = gesso_run(capsys, path, "hi", *forever, "--timeout", "0.05")
    assert (status, out) == (1, "")
    assert err == "gesso: the deadline passed before the first canvas was done\n"
    status, out, err = gesso_run(capsys, path, "hi", "--raw", "--max-new-tokens", "8", "--timeout", "60")
    assert (status, out, err) == gesso_run(capsys, path, "hi", "--raw", "--max-new-tokens", "8")


def test_a_prompt_from_a_file(capsys, tmp_path, path):
    expected = gesso_run(capsys, path, "a\nb", *RAW)
    for data in (b"a\nb\n", b"a\nb", b"a\nb\r\n", b"\xef\xbb\xbfa\nb\n"):
        (tmp_path / "p.txt").write_bytes(data)
        assert gesso_run(capsys, path, *RAW, "--file", str(tmp_path / "p.txt")) == expected
    for data, message in ((b"", "p.txt: the prompt is empty"), (b"\xff", "p.txt: not UTF-8")):
        (tmp_path / "p.txt").write_bytes(data)
        status, out, err = gesso_run(capsys, path, *RAW, "--file", str(tmp_path / "p.txt"))
        assert status in (1, 2) and out == "" and message in err
    assert gesso_run(capsys, path, "--file", str(tmp_path / "missing"))[0] == 1


def test_a_prompt_from_a_pipe(capsys, monkeypatch, path):
    """By --file, and from standard input by each of its names."""
    expected = gesso_run(capsys, path, "a\nb", *RAW)
    for name in ("-", "/dev/stdin"):
        assert run("run", path, *RAW, "--file", name, stdin=b"a\nb\n") == expected
    read, write = os.pipe()
    os.write(write, b"a\nb\n")
    os.close(write)
    assert gesso_run(capsys, path, *RAW, "--file", f"/dev/fd/{read}") == expected
    os.close(read)
    assert "expected a regular file, got a device" in gesso_run(capsys, path, "--file", "/dev/zero")[2]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    assert "standard input: the prompt is empty" in gesso_run(capsys, path, "--file", "-")[2]


def test_one_canvas_is_no_canvases(capsys, path):
    assert "1 canvas, steps " in gesso_run(capsys, path, "hi", "--raw", "--max-new-tokens", "8", "--stats")[2]


def test_stop_strings(capsys, path, model):
    """Also one that begins in one canvas and ends in the next: what was shown is not taken back."""
    text = model.generate("hi", max_new_tokens=24, seed=5)[0].text
    first = model.generate("hi", max_new_tokens=8, seed=5)[0].text
    assert text.startswith(first) and len(first) < len(text) - 2
    stop = text[len(first) - 2 : len(first) + 2]
    expected = model.generate("hi", max_new_tokens=24, seed=5, stop=[stop, "never"])[0]
    assert expected.finish_reason == "stop" and len(expected.denoising_steps) == 2 and len(expected.text) < len(first)
    out = gesso_run(capsys, path, "hi", *RAW, "--seed", "5", "--stop", "never", "--stop", stop)
    assert out == (0, expected.text + "\n", "")
    assert gesso_run(capsys, path, "hi", *RAW, "--stop", "")[0] == 2


def test_json_is_the_result(capsys, path, model):
    status, out, err = gesso_run(capsys, path, "hi", *RAW, "--json", "--seed", "3")
    report = json.loads(out)
    expected = model.generate("hi", max_new_tokens=24, seed=3)[0].to_dict()
    assert status == 0 and err.startswith("gesso: the answer was cut")
    assert {key: report[key] for key in expected} == expected
    assert (report["model"], report["device"]) == (path, "cpu")
    assert report["timings"]["steps"] == sum(expected["denoising_steps"])
    assert set(report) - set(expected) == {"model", "device", "seconds", "timings"}


def test_an_error_with_json_leaves_standard_output_empty(path):
    status, out, err = run("run", path, "hi", "--json", "--max-new-tokens", "100000")
    assert (status, out) == (2, "")
    assert err.startswith("gesso: max_new_tokens: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("hi", "--file", "x"),
        ("hi", "--jsonl", "x", "y"),
        ("--jsonl", "x", "y", "--json"),
        ("--jsonl", "x", "y", "--file", "z"),
        ("--jsonl", "x"),
        ("hi", "--timeout", "0"),
        ("hi", "--live"),
    ],
)
def test_what_does_not_go_together(capsys, path, arguments):
    with pytest.raises(SystemExit) as end:
        main(["run", path, *arguments])
    assert end.value.code == 2


def test_the_log_is_shown_for_one_command_alone(path, capsys):
    assert gesso_run(capsys, path, "hi", *RAW)[2] == ""
    for level, expected in (("info", 0), ("debug", 1), ("info", 0)):
        status, _, told = gesso_run(capsys, path, "hi", *RAW, "--log", level)
        assert (status, told.count(f"gesso: opened {path}: ")) == (0, 1)
        assert min(told.count("gesso: a pass took "), 1) == expected
    assert gesso_run(capsys, path, "hi", *RAW)[2] == ""
