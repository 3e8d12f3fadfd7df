"""`gesso demo mini`. What the model answers is tested where the model is; here it is one that knows nothing."""

from types import SimpleNamespace

import pytest

import gesso
from gesso.bundled.mini_model import QUESTIONS, TOOL_RESULT
from gesso.cli.demo import demo, talk
from gesso.cli.program import make_parser
from gesso.files.short_names import find_bundled
from gesso.reply import parse_reply
from python.command_line import run, run_in_terminal
from python.tiny_model import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    file = tmp_path_factory.mktemp("demo") / "tiny.gguf"
    return str(tiny_model(file, max_position_embeddings=2048, max_denoising_steps=2))


def test_all_questions_are_asked(model):
    status, out, err = run("demo", "mini", "--model", model, "--threads", "1")
    assert (status, err) == (0, "")
    for question in QUESTIONS:
        assert f"> {question.text}" + ("   [tool weather]\n" if question.tools else "\n") in out
    assert "steps per reply:    2.0" in out


def test_a_folder_of_that_name_is_not_meant(monkeypatch, tmp_path):
    (tmp_path / "mini").mkdir()
    monkeypatch.chdir(tmp_path)
    found = []

    def loaded(path, **_):
        found.append(path)
        raise ValueError("enough")

    monkeypatch.setattr("gesso.cli.demo.load", loaded)
    with pytest.raises(ValueError, match="enough"):
        demo(make_parser().parse_args(["demo", "mini"]))
    assert found == [find_bundled("mini")]


def test_a_terminal_shows_the_steps(model):
    status, sent = run_in_terminal("demo", "mini", "--model", model, columns=80, rows=30)
    assert status == 0
    assert "step 2/2" in sent


def test_what_does_not_fit_is_refused(model, tmp_path):
    status, _, err = run("demo", "mini", "--puzzles", "3")
    assert (status, "--puzzles: mini solves none" in err) == (2, True)
    status, _, err = run("demo", "other")
    assert (status, "invalid choice: 'other'" in err) == (2, True)
    silent = str(tiny_model(tmp_path / "silent.gguf", chat_template=None))
    status, _, err = run("demo", "mini", "--model", silent)
    assert (status, err) == (1, f"gesso: {silent}: not a model that talks, it has no chat template\n")


def test_a_tool_call_is_answered_once(model, capsys):
    tokenizer, prompts = gesso.load(model, "cpu").tokenizer, []

    def generate(prompt, **options):
        prompts.append(tokenizer.decode(prompt, skip_special_tokens=False))
        reply = parse_reply('<|tool_call>call:weather{city:<|"|>Lisbon<|"|>}<tool_call|>')
        return [SimpleNamespace(ids=tokenizer.encode("ok"), reply=reply, denoising_steps=[1])]

    config = SimpleNamespace(canvas_length=8, end_token_ids=[1])
    assert talk(SimpleNamespace(config=config, generate=generate), tokenizer, 0) == 0
    assert capsys.readouterr().out.count(f"[weather: {TOOL_RESULT}]") == sum(bool(q.tools) for q in QUESTIONS) == 1
    assert len(prompts) == len(QUESTIONS) + 1
    assert [TOOL_RESULT in prompt for prompt in prompts[-2:]] == [False, True]
    place = next(i for i, question in enumerate(QUESTIONS) if question.goes_on)
    assert QUESTIONS[place - 1].text in prompts[place] and QUESTIONS[place - 1].text not in prompts[place + 1]
