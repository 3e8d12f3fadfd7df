"""`gesso run --jsonl IN OUT`: many prompts from a file, lines that are wrong, and runs that are stopped and go on."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import time

import pytest

import gesso
from gesso.cli.program import main
from python.command_line import run, start
from python.tiny_model import tiny_model

RAW = ("--raw", "--max-new-tokens", "8")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf"))


@pytest.fixture(scope="module")
def model(path):
    return gesso.load(path)


def write(file, lines):
    data = b"".join((x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n" for x in lines)
    file.write_bytes(data)


def answer(capsys, path, tmp_path, *options):
    """Runs the command on in.jsonl in this process. Returns its status, the lines of out.jsonl and standard error."""
    out = tmp_path / "out.jsonl"
    status = main(["run", path, *options, "--jsonl", str(tmp_path / "in.jsonl"), str(out)])
    shown = capsys.readouterr()
    assert shown.out == ""
    return status, [json.loads(line) for line in out.read_text("utf-8").splitlines()] if out.exists() else [], shown.err


def test_every_line_gets_its_result_in_order(capsys, tmp_path, path, model):
    seeds = range(20)
    write(tmp_path / "in.jsonl", [{"prompt": f"line {seed}", "seed": seed, "id": f"x{seed}"} for seed in seeds])
    status, lines, err = answer(capsys, path, tmp_path, *RAW)
    assert status == 0
    assert [line["id"] for line in lines] == [f"x{seed}" for seed in seeds]
    assert [line["line"] for line in lines] == list(range(1, 21))
    for seed, line in zip(seeds, lines, strict=True):
        expected = model.generate(f"line {seed}", max_new_tokens=8, seed=seed)[0].to_dict()
        assert (line["ids"], line["text"], line["seed"]) == (expected["ids"], expected["text"], seed)
        assert set(line) == set(expected) | {"line", "hash", "id"}
    assert err.splitlines()[-1].startswith(f"gesso: {tmp_path / 'out.jsonl'}: answers: 20")


def test_a_line_has_options_of_its_own(capsys, tmp_path, path, model):
    template = model.tokenizer.apply_chat_template
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "b"},
    ]
    system = [{"role": "system", "content": "Be brief."}]
    own = [{"role": "system", "content": "Sing."}]
    rows = [
        ({"prompt": "hi"}, template([*system, messages[0]], tokenize=True), {}),
        ({"messages": messages}, template([*system, *messages], tokenize=True), {}),
        ({"messages": [*own, *messages]}, template([*own, *messages], tokenize=True), {}),
        ({"prompt": "hi", "system": "Sing."}, template([*own, messages[0]], tokenize=True), {}),
        ({"prompt": "hi", "think": True}, template([*system, messages[0]], enable_thinking=True, tokenize=True), {}),
        ({"prompt": "hi", "max_new_tokens": 3, "max_denoising_steps": 2}, None, {"max_denoising_steps": 2}),
        ({"prompt": "hi", "seed": 9, "stop": ["e", "a"], "timeout": 60}, None, {"seed": 9, "stop": ["e", "a"]}),
    ]
    write(tmp_path / "in.jsonl", [row for row, _, _ in rows])
    status, lines, _ = answer(capsys, path, tmp_path, "--system", "Be brief.", "--max-new-tokens", "8", "--seed", "4")
    assert status == 0
    for line, (row, prompt, options) in zip(lines, rows, strict=True):
        options = {"seed": 4, "max_new_tokens": row.get("max_new_tokens", 8), **options}
        expected = model.generate(prompt or rows[0][1], **options)[0]
        assert (line["text"], line["seed"]) == (expected.text, options["seed"])
        assert line["finish_reason"] == expected.finish_reason


WRONG = [
    (b"nonsense", "no JSON in UTF-8"),
    (b'{"prompt": "a"', "no JSON in UTF-8"),
    (b'{"prompt": "\xff"}', "no JSON in UTF-8"),
    (b'{"prompt": "a", "seed": NaN}', "NaN is no number in JSON"),
    (b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}", "no JSON in UTF-8"),
    (b"[" * 100_000, "JSON"),
    (b'["a"]', "expected a JSON object, got ['a']"),
    (b"null", "expected a JSON object, got None"),
    ({}, "expected either prompt or messages"),
    ({"prompt": "a", "messages": []}, "expected either prompt or messages"),
    ({"prompt": 3}, "prompt: expected a text, got 3"),
    ({"prompt": ""}, "the prompt is empty"),
    ({"prompt": "\ud800"}, ""),
    ({"prompt": "a", "prmpt": "b"}, "unknown key 'prmpt'; expected id, prompt,"),
    ({"prompt": "a", "pinned": {}}, "unknown key 'pinned'"),
    ({"prompt": "a", "id": ["x"]}, "id: expected a text or a number, got ['x']"),
    (b'{"prompt": "a", "id": 1e999}', "id: expected a text or a number, got inf"),
    ({"prompt": "a", "seed": -1}, "seed: expected"),
    ({"prompt": "a", "seed": [1, 2]}, "seed"),
    ({"prompt": "a", "max_new_tokens": "8"}, "max_new_tokens: expected an int"),
    ({"prompt": "a", "max_new_tokens": 10**9}, "max_new_tokens: "),
    ({"prompt": "a", "stop": ""}, "stop"),
    ({"prompt": "a", "timeout": -1}, "timeout: expected seconds > 0"),
    ({"prompt": "a", "timeout": "1"}, "timeout: expected a number"),
    ({"prompt": "a", "think": 1}, "think: expected true or false, got 1"),
    ({"prompt": "a", "tools": 1}, "tools: expected"),
    ({"messages": "a"}, "messages: expected a list of messages, got 'a'"),
    ({"messages": []}, "messages: expected a list of messages, got []"),
    ({"messages": [3]}, "messages[0]"),
    ({"messages": [{"role": "root", "content": "a"}], "system": "b"}, "messages[0].role: expected system, developer"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image"}]}], "system": "b"},
        "messages[0].content[0]: gesso handles text only",
    ),
    ({"messages": [{"role": "user", "content": {"x": 1}}]}, "messages[0]"),
]


def test_a_wrong_line_gets_an_error_that_names_it_and_the_others_go_on(capsys, tmp_path, path):
    lines = [{"prompt": "first", "id": 1}, b"", *(line for line, _ in WRONG), b"  ", {"prompt": "last", "id": "\ud800"}]
    write(tmp_path / "in.jsonl", lines)
    status, (first, *wrong, last), err = answer(capsys, path, tmp_path, "--max-new-tokens", "8")
    assert status == 1
    assert (first["id"], last["id"], last["line"]) == (1, "\ud800", len(lines))
    assert first["text"] is not None and last["text"] is not None
    assert [line["line"] for line in wrong] == list(range(3, 3 + len(WRONG)))
    for line, (_, message) in zip(wrong, WRONG, strict=True):
        assert line["error"]["message"].startswith(f"line {line['line']}: ")
        assert message in line["error"]["message"]
        assert line["error"]["type"] in ("ArgumentError", "TypeError", "ValueError")
    assert f"errors: {len(WRONG)}" in err.splitlines()[-1]


def test_a_line_that_is_too_long_is_not_read(capsys, monkeypatch, tmp_path, path):
    monkeypatch.setattr("gesso.cli.parts.jsonl.MAX_LINE", 100)
    write(tmp_path / "in.jsonl", [{"prompt": "a" * 1000}, {"prompt": "b"}])
    status, (wrong, good), _ = answer(capsys, path, tmp_path, *RAW)
    assert (status, wrong["error"]["message"]) == (1, "line 1: expected at most 100 bytes")
    assert (good["line"], good["text"] is None) == (2, False)


def test_a_stopped_run_goes_on_where_it_ended(capsys, tmp_path, path):
    """A kill leaves whole lines, and maybe the beginning of one."""
    write(tmp_path / "in.jsonl", [{"prompt": f"line {i}"} for i in range(6)] + [b"wrong"])
    whole = answer(capsys, path, tmp_path, *RAW)
    out = tmp_path / "out.jsonl"
    data = out.read_bytes()
    second = data.index(b"\n", data.index(b"\n") + 1) + 1
    for length in (0, 1, 9, second - 1, second, second + 5, len(data) - 1, len(data)):
        out.write_bytes(data[:length])
        assert answer(capsys, path, tmp_path, *RAW)[1] == whole[1]
        assert [json.loads(x)["line"] for x in out.read_bytes().splitlines()] == list(range(1, 8))
    # All lines are there: nothing is done again.
    status, _, err = answer(capsys, path, tmp_path, *RAW)
    assert (status, err.splitlines()[-1].endswith("answers: 0, there already: 7")) == (0, True)
    # IN has grown.
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write('{"prompt": "more"}')
    assert len(answer(capsys, path, tmp_path, *RAW)[1]) == 8


@pytest.mark.parametrize("change", ["another line", "a missing line", "another option", "another model"])
def test_out_of_another_run_is_refused(capsys, tmp_path, path, change):
    lines = [{"prompt": f"line {i}"} for i in range(3)]
    write(tmp_path / "in.jsonl", lines)
    answer(capsys, path, tmp_path, *RAW)
    out = tmp_path / "out.jsonl"
    before = out.read_bytes() + b'{"line": 4, "ha'
    out.write_bytes(before)
    options = [*RAW, "--seed", "5"] if change == "another option" else RAW
    if change in ("another line", "a missing line"):
        write(tmp_path / "in.jsonl", [lines[0], {"prompt": "x"}, lines[2]] if change == "another line" else lines[:2])
    if change == "another model":
        path = str(tiny_model(tmp_path / "other.gguf"))
    status = main(["run", path, *options, "--jsonl", str(tmp_path / "in.jsonl"), str(out)])
    err = capsys.readouterr().err
    assert status == 1 and err.startswith(f"gesso: {out}: ") and err.count("\n") == 1
    assert ("line 2 does not belong to line 2" in err) == (change == "another line")
    assert out.read_bytes() == before


OTHERS = [b"my notes", b"my notes\n", b'{"id": 1}\n', b'{"line": 1}\n', b'{"line": 1, "text": "mine"}', b"\x00\xff\n"]


@pytest.mark.parametrize("data", OTHERS)
def test_a_file_of_others_stays_as_it_is(capsys, tmp_path, path, data):
    write(tmp_path / "in.jsonl", [{"prompt": "a"}])
    (tmp_path / "out.jsonl").write_bytes(data)
    assert main(["run", path, *RAW, "--jsonl", str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl")]) == 1
    assert str(tmp_path / "out.jsonl") in capsys.readouterr().err
    assert (tmp_path / "out.jsonl").read_bytes() == data


def test_two_runs_do_not_write_one_file(capsys, tmp_path, path):
    write(tmp_path / "in.jsonl", [{"prompt": "a"}])
    with (tmp_path / "out.jsonl").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        status, lines, err = answer(capsys, path, tmp_path, *RAW)
    assert (status, lines, err) == (1, [], f"gesso: {tmp_path / 'out.jsonl'}: another process is writing this file\n")
    assert answer(capsys, path, tmp_path, *RAW)[0] == 0


def test_in_is_not_written_to(capsys, tmp_path, path):
    write(tmp_path / "in.jsonl", [{"prompt": "a"}])
    assert main(["run", path, *RAW, "--jsonl", str(tmp_path / "in.jsonl"), str(tmp_path / "in.jsonl")]) == 1
    assert "the file to write is the one to read" in capsys.readouterr().err


def test_pipes(tmp_path, path):
    """- stands for standard input and output, and each answer comes as soon as it is there."""
    lines = b'{"prompt": "a"}\n{"prompt": "b"}\nwrong'
    status, out, err = run("run", path, *RAW, "--jsonl", "-", "-", stdin=lines)
    assert status == 1
    assert [json.loads(line)["line"] for line in out.splitlines()] == [1, 2, 3]
    assert "standard output: answers: 2" in err
    (tmp_path / "out.jsonl").write_text("".join(out.splitlines(keepends=True)[:2]))
    assert run("run", path, *RAW, "--jsonl", "-", str(tmp_path / "out.jsonl"), stdin=lines)[:2] == (1, "")
    assert (tmp_path / "out.jsonl").read_text().splitlines()[:2] == out.splitlines()[:2]


def test_ctrl_c_leaves_what_can_go_on(capsys, tmp_path, path):
    """The third prompt never ends."""
    forever = {"max_denoising_steps": 10**9, "confidence_threshold": 0.0}
    write(tmp_path / "in.jsonl", [{"prompt": "a"}, {"prompt": "b"}, {"prompt": "c", **forever}])
    out = tmp_path / "out.jsonl"
    process = start("run", path, *RAW, "--jsonl", str(tmp_path / "in.jsonl"), str(out), stderr=subprocess.PIPE)
    while not out.exists() or out.read_bytes().count(b"\n") < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert b"Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    before = out.read_bytes()
    assert before.count(b"\n") == 2
    write(tmp_path / "in.jsonl", [{"prompt": "a"}, {"prompt": "b"}])
    assert answer(capsys, path, tmp_path, *RAW)[0] == 0
    assert out.read_bytes() == before
