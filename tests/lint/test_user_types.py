"""Type checkers see gesso as it is: mypy and pyright accept a correct program of a user, and report a wrong one.

Nothing is built and nothing runs: the types are those of python/gesso, and of its stub for the native module. pyright
is run as basedpyright, which installs from PyPI with all that it needs.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

Complaints = dict[str, list[tuple[int, str]]]  # program -> line and message of each complaint
ROOT = Path(__file__).resolve().parents[2]

CORRECT = """\
import numpy as np

import gesso


def watch(event: gesso.StepEvent) -> bool:
    print(event.step, event.mean_entropy, int(np.count_nonzero(event.accepted)))
    return event.mean_entropy > 0.01


def answer(model: gesso.Model, prompt: str) -> str:
    assert model.tokenizer is not None
    decoder = gesso.ReplyDecoder(model.tokenizer)
    found: list[gesso.ReplyEvent] = []

    def keep(event: gesso.CanvasEvent) -> None:
        found.extend(decoder.push(event.ids.tolist()))

    output: gesso.GenerationOutput = model.generate(prompt, max_new_tokens=8, seed=[1], on_canvas=keep)
    timings: gesso.Timings = output.timings
    result: gesso.Result = output[0]
    usage: gesso.Usage = result.usage
    print(timings.encode_ms, output.canvases[0].shape, [other.finish_reason for other in output[1:]])
    print(result.finish_reason == "stop", usage.total_tokens, result.to_dict()["seed"])
    return "".join(event.text for event in found if isinstance(event, gesso.TextDelta))


def talk(model: gesso.Model) -> None:
    session = model.session()
    session.encode([1, 2, 3])
    output = session.generate("and then?", max_new_tokens=8, t_max=0.5, pinned={0: 7}, on_step=watch)
    for reply in output.replies or []:
        calls: list[gesso.ToolCall] = reply.tool_calls
        print(reply.text, [call.name for call in calls if not call.repaired])


def serve(model: gesso.Model, prompts: list[str]) -> None:
    with gesso.Engine(model, max_queued=8, thread=True) as engine:
        request: gesso.Request = engine.submit(prompts[0], deadline=1.5, key="a", seed=1, on_step=watch, events=True)
        for event in request:
            if isinstance(event, gesso.EndEvent):
                print(event.result.ids, event.finish_reason == "deadline")
            else:
                print(event.canvas)
        print(request.result(timeout=5).text, engine.counters().passes)
    for result in model.generate_many(iter(prompts), seed=range(9), max_new_tokens=8):
        print(repr(result) if isinstance(result, Exception) else result.usage.total_tokens)


def show(done: int, total: int) -> None:
    print(done, total)


if __name__ == "__main__":
    loaded = gesso.load("model.gguf", device="cpu", num_threads=2, activations="f32", on_progress=show)
    print(answer(loaded, "Why is the sky blue?"))
    talk(loaded)
    serve(loaded, ["x"])
    stored = gesso.quantize(np.ones((2, 256), np.float32), "Q4_K")
    print(gesso.dequantize(stored, "Q4_K").shape, gesso.devices()[0].name, loaded.config.t_max)
"""

# A line that is wrong, and what both checkers must say about it.
WRONG = {
    "misspelt_option": ('model.generate("x", max_new_token=8)', "max_new_token"),
    "misspelt_option_of_a_session": ('model.session().generate("x", max_new_token=8)', "max_new_token"),
    "option_of_a_wrong_type": ('model.generate("x", t_max="hot")', "float"),
    "misspelt_option_of_many": ('model.generate_many(["x"], max_new_token=8)', "max_new_token"),
    "misspelt_option_of_a_request": ('gesso.Engine(model).submit("x", deadlin=8)', "deadlin"),
    "text_of_a_row_that_may_be_an_exception": ('print(next(model.generate_many(["x"])).text)', "text"),
    "misspelt_load_option": ('gesso.load("model.gguf", num_thread=2)', "num_thread"),
    "misspelt_field_of_an_event": ("model.generate([1], on_step=lambda event: event.entropy > 0)", "entropy"),
    "callback_for_another_event": ("model.generate([1], on_step=keep)", "CanvasEvent"),
    "text_that_may_be_missing": ('model.generate("x").texts[0]', "None"),
    "text_of_a_result_that_may_be_missing": ('model.generate("x")[0].text.strip()', "None"),
    "reason_that_does_not_exist": ('print(model.generate("x")[0].finish_reason == "stopped")', "stopped"),
}
WRONG_PROGRAM = """\
import gesso


def keep(event: gesso.CanvasEvent) -> None:
    print(event.ids)


model = gesso.load("model.gguf")
{}
"""
WRONG_LINE = WRONG_PROGRAM.split("\n").index("{}") + 1


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """A folder with the correct program, and one for each mistake."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "correct.py").write_text(CORRECT)
    for name, (line, _) in WRONG.items():
        (folder / f"{name}.py").write_text(WRONG_PROGRAM.format(line))
    return folder


@pytest.fixture(scope="module")
def mypy(programs) -> Complaints:
    """What mypy says. `make lint` has filled its cache before, which makes this fast."""
    files = sorted(programs.glob("*.py"))
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--no-error-summary", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1) and not done.stderr, f"mypy did not check: {done.stderr}"  # 1: it complains
    parts = [line.split(":", 2) for line in done.stdout.splitlines()]
    return by_program((file, int(number), message) for file, number, message in parts)


@pytest.fixture(scope="module")
def pyright(programs) -> Complaints:
    """What pyright says, at its strictest."""
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT / "python")], "pythonVersion": "3.11"}
    (programs / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--project", str(programs), "--outputjson"]
    command += ["--pythonpath", sys.executable]
    report = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    assert report["summary"]["filesAnalyzed"] == len(WRONG) + 1
    found = report["generalDiagnostics"]
    return by_program((entry["file"], entry["range"]["start"]["line"] + 1, entry["message"]) for entry in found)


def by_program(complaints: Iterable[tuple[str, int, str]]) -> Complaints:
    found: Complaints = {}
    for file, line, message in complaints:
        found.setdefault(Path(file).stem, []).append((line, message))
    return found


@pytest.fixture(params=["mypy", "pyright"])
def complaints(request) -> Complaints:
    return request.getfixturevalue(request.param)


def test_a_correct_program_passes(complaints):
    assert complaints.get("correct", []) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_found(complaints, name):
    found = complaints.get(name, [])
    assert any(WRONG[name][1] in message for _, message in found), found
    assert {line for line, _ in found} == {WRONG_LINE}  # and nothing else is wrong
