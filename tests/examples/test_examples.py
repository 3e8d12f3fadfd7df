"""The programs of examples/ run as a user runs them, with the bundled model, and say what that model says."""

import csv
import io
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from fastapi.testclient import TestClient
from nbclient import NotebookClient

import gesso

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments):
    done = subprocess.run([sys.executable, EXAMPLES / name, *arguments], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def model():
    return gesso.load("mini")


def answer(model, question, seed=1):
    prompt = model.tokenizer.apply_chat_template([{"role": "user", "content": question}], tokenize=True)
    return model.generate(prompt, seed=seed)[0]


def test_all_are_listed():
    listed = re.findall(r"^\| \[([^]]+)\]\(\1\) \|", (EXAMPLES / "README.md").read_text(encoding="utf-8"), re.M)
    assert sorted(listed) == sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb"))
    assert len(listed) == 8


def test_stream(model):
    *drafts, last = run("stream.py").splitlines()
    expected = answer(model, "What can you do?")
    assert len(drafts) == sum(expected.denoising_steps)
    assert all(re.match(r"canvas 0, step \d+, \d+\.\d{3} nats: '", line) for line in drafts)
    assert last == f"stop, {len(expected.ids)} tokens: {expected.text}"


def test_another_model_can_be_named():
    assert "canvas 0, step 0" in run("stream.py", Path(gesso.__file__).parent / "bundled/mini.gguf")


def test_chat_with_tools():
    lines = run("chat_with_tools.py").splitlines()
    assert [line.split(":")[0] for line in lines if ":" in line] == ["you", "call", "tool", "model"] * 2
    calls = [line for line in lines if line.startswith("call:")]
    assert calls == ["call:  weather {'city': 'Lisbon'}", "call:  weather {'city': 'Oslo'}"]
    lisbon, oslo = (line for line in lines if line.startswith("model:"))
    assert "24" in lisbon and "9" in oslo
    for cached, tokens in re.findall(r"\((\d+) of (\d+) prompt tokens", "\n".join(lines)):
        assert 0 < int(cached) < int(tokens)


def test_many_prompts(model, tmp_path):
    with (EXAMPLES / "questions.csv").open(newline="") as file:
        questions = [*csv.DictReader(file)]
    rows = [*csv.DictReader(io.StringIO(run("many_prompts.py"), newline=""))]
    assert [row["id"] for row in rows] == [question["id"] for question in questions] == ["1", "2", "3"]
    assert [row["answer"] for row in rows] == [answer(model, question["question"]).text for question in questions]

    own = tmp_path / "own.csv"
    own.write_text("id,question\na," + "very long " * 2000 + "\nb,What can you do?\n")
    long, short = csv.DictReader(io.StringIO(run("many_prompts.py", "mini", own), newline=""))
    assert not long["answer"] and "context" in long["error"]
    assert short["answer"] == rows[2]["answer"] and not short["error"]


def test_json_skeleton():
    first, last = run("json_skeleton.py").splitlines()
    assert re.match(r"[1-9] of 9 skeletons became JSON", first)
    assert json.loads(last) == {"name": "Dana", "city": "Oslo"}


def test_server(model):
    *texts, end = run("server.py").strip().split("\n\n")
    text = "".join(json.loads(event.removeprefix("data: "))["text"] for event in texts)
    assert text == answer(model, "What can you do?").text
    assert end.splitlines() == ["event: end", 'data: {"finish_reason": "stop"}']


def test_server_says_what_is_wrong():
    client = TestClient(runpy.run_path(str(EXAMPLES / "server.py"))["make_app"]())
    assert client.post("/answer", json={"text": "x" * 10_001}).status_code == 422
    assert client.post("/answer", json={"text": "x", "seed": -1}).status_code == 422
    too_long = client.post("/answer", json={"text": "a b " * 2500})
    assert too_long.headers["content-type"].startswith("text/event-stream")
    assert too_long.text.startswith("event: error\ndata: {") and "context" in too_long.text


def test_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)  # they would become old
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    model, generation, steps, chat = (cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    assert "vocabulary" in model[-1].data["text/html"]
    canvas, result = (output.data["text/html"] for output in generation)
    assert "Dana" in canvas and "gesso-" in canvas and "finish_reason stop" in result
    assert "Dana" in steps[-1].data["text/html"] and "gesso.Steps" in steps[-1].data["text/plain"]
    assert all("tools" in output.data["text/html"] for output in chat)


def test_with_ctypes(model):
    try:
        gesso.get_library()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert run("with_ctypes.py") == answer(model, "What can you do?", seed=0).text + "\n"


def test_denoise_by_hand(model):
    lines = run("denoise_by_hand.py").splitlines()
    assert [int(line.split()[0]) for line in lines] == [1, 2, 4, 8, 16, 32, 64] and model.config.canvas_length == 64
    assert "Dana" in lines[-1] and "nurse" in lines[-1]
