"""`gesso chat` with pipes: each line is a message or a command, and standard output gets the answers alone.

Most tests call the command in this process, which saves its start.
"""

import io
import json
import re
import sys
from dataclasses import replace

import pytest

import gesso
from gesso.chat import Chat
from gesso.cli.program import main
from gesso.model import Model
from gesso.starting import EXIT_INTERRUPTED
from python.api.test_chat_turns import written
from python.api.test_reply import chat_model
from python.command_line import run

LINES = ["Hello, I am Ada.", "My favourite colour is green."]
CALL = '<|tool_call>call:weather{city:<|"|>Oslo<|"|>}<tool_call|>'
TOOL = """
def weather(city: str) -> str:
    "Says the weather."
    print("looking")
    return f"sun \\x1b[2J in {city}"
"""


@pytest.fixture
def chat(capsys, monkeypatch):
    """Runs the command with these lines, and returns its exit status and what it wrote."""

    def run_chat(*arguments, lines=(), stdin=None, model="mini"):
        data = "".join(f"{line}\n" for line in lines).encode() if stdin is None else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        try:
            status = main(["chat", str(model), "--device", "cpu", *arguments])
        except SystemExit as error:  # wrong usage
            status = error.code
        return (status, *capsys.readouterr())

    return run_chat


@pytest.fixture(scope="module")
def mini():
    return gesso.load("mini", "cpu")


@pytest.fixture(scope="module")
def random_model(tmp_path_factory):
    return chat_model(tmp_path_factory.mktemp("models") / "chat.gguf", canvas_length=32, max_position_embeddings=2048)


def test_each_line_is_answered_and_nothing_else_is_printed(mini):
    ours = mini.chat(system="Be brief.", seed=7)
    expected = [ours.send(line).text for line in LINES]
    stdin = "\n".join(["", *LINES]).encode()  # the last line has no end
    status, out, err = run("chat", "mini", "--device", "cpu", "--system", "Be brief.", "--seed", "7", stdin=stdin)
    assert (status, out, err) == (0, "".join(f"{text}\n" for text in expected), "")


def test_undo_and_retry(chat, mini):
    """With a seed, the same message has the same answer."""
    status, out, err = chat("--seed", "7", lines=[*LINES, "/undo", "/retry", "/retry", "/undo", "/undo", "/undo"])
    answers = out.splitlines()
    assert len(answers) == 4
    assert answers[1] == answers[2] == answers[3]
    assert [line for line in err.splitlines() if line.startswith("Taken back")] == [
        f"Taken back: {LINES[i]}" for i in (1, 1, 0)
    ]
    assert "gesso: there is nothing to take back" in err
    assert status == 1


def test_without_a_seed_each_answer_has_another_one(chat):
    _, _, err = chat(lines=[LINES[0], "/stats", "/retry", "/stats"])
    seeds = [line.partition("seed ")[2] for line in err.splitlines() if line.startswith("steps: ")]
    assert len(set(seeds)) == 2


def test_a_conversation_goes_on_in_another_process(chat, tmp_path, mini):
    file, end = tmp_path / "chat.json", tmp_path / "end.json"
    status, _, err = chat("--seed", "7", "--system", "Be brief.", lines=[LINES[0], "/set steps 12", f"/save {file}"])
    assert (status, f"Saved to {file}." in err) == (0, True)
    saved = json.loads(file.read_text())
    assert saved["settings"] == {"think": False, "steps": 12, "seed": 7}
    status, out, err = chat("--save", str(end), lines=[f"/load '{file}'", "/set steps", LINES[1]])
    assert (status, "gesso:" in err, err.splitlines()[-1]) == (0, False, "steps 12")
    ours = mini.chat(messages=saved["messages"], seed=7, max_denoising_steps=12)
    assert out == ours.send(LINES[1]).text + "\n"
    assert json.loads(end.read_text())["messages"] == ours.messages
    status, again, err = run("chat", "mini", "--device", "cpu", "--load", str(file), stdin=LINES[1].encode())
    assert (status, again, err) == (0, out, "")


def test_options_go_before_the_settings_of_a_file(chat, tmp_path):
    file, end = tmp_path / "chat.json", tmp_path / "end.json"
    file.write_text(json.dumps({"messages": [], "settings": {"think": False, "steps": 12, "seed": 7}}))
    arguments = ("--load", str(file), "--steps", "5", "--think", "--save", str(end))
    assert chat(*arguments, lines=["/set seed"])[0] == 0
    assert json.loads(end.read_text())["settings"] == {"think": True, "steps": 5, "seed": 7}
    assert chat("--save", str(end))[0] == 0  # nothing was said both times


def test_ctrl_c_loses_nothing_of_a_conversation_on_a_pipe(chat, tmp_path, monkeypatch):
    file = tmp_path / "chat.json"
    obeyed = iter([None])

    def interrupt(*_):
        if next(obeyed, "end") == "end":
            raise KeyboardInterrupt

    monkeypatch.setattr("gesso.talk.talk.obey", interrupt)
    assert chat("--save", str(file), "--steps", "3", lines=["/help", "/help"])[0] == EXIT_INTERRUPTED
    assert json.loads(file.read_text())["settings"]["steps"] == 3


def test_files_that_are_wrong_change_nothing(chat, tmp_path):
    notes, bad, setting = tmp_path / "notes.txt", tmp_path / "bad.json", tmp_path / "setting.json"
    notes.write_text("notes")
    bad.write_text('{"messages": [{"role": "user", "content": "\\ud800"}]}')
    setting.write_text('{"messages": [], "settings": {"steps": "\x1b[2J"}}'.replace("\x1b", "\\u001b"))
    commands = [f"/load {tmp_path}", f"/load {bad}", f"/load {setting}", "/load /dev/zero", "/load", f"/save {notes}"]
    status, out, err = chat("--seed", "7", lines=[LINES[0], *commands, f"/save {tmp_path}/no/chat.json", "/retry"])
    assert (status, len(set(out.splitlines())), len(out.splitlines())) == (1, 1, 2)
    assert "\x1b" not in err
    problems = [
        "expected a regular file, got a folder",
        "bad.json: messages",
        "setting.json: steps: expected an integer",
        "got a device",
        "/load: expected the name of a file",
        "notes.txt: exists and is no conversation",
        "there is no folder",
    ]
    lines = err.splitlines()
    assert len(lines) == len(problems), err
    assert all(line.startswith("gesso: ") for line in lines)
    assert [problem for line, problem in zip(lines, problems, strict=True) if problem not in line] == []
    assert notes.read_text() == "notes"


SETTINGS = {
    "/set steps 0": "steps: expected an integer from 1 to",
    "/set steps 2.5": "steps: expected an integer from 1 to",
    "/set t-max nan": "t-max: expected a finite number > 0, got 'nan'",
    "/set seed -1": "seed: expected an integer from 0 to 2^64 - 1, or drawn, got '-1'",
    "/set seed 99999999999999999999999": "seed: expected an integer from 0",
    "/set stop [1]": "stop: expected a text, or a list of texts in JSON",
    '/set stop "': "stop: expected a text, or a list of texts in JSON",
    "/set pinned 1": "there is no setting 'pinned'; there are max-new-tokens, steps",
    "/think maybe": "/think: expected on or off, got 'maybe'",
    "/stats now": "/stats takes nothing behind it",
    "/stat": "did you mean /stats?",
    "/tools gone.py": "gone.py: No such file",
}


def test_a_folder_is_not_written_to(chat, tmp_path, monkeypatch):
    def ask(*_):
        raise AssertionError("nobody is to be asked")

    monkeypatch.setattr("gesso.talk.talk.Talk.ask", ask)
    _, _, err = chat(lines=[f"/save {tmp_path}"])
    assert err == f"gesso: {tmp_path}: is a folder; expected the name of a file to write\n"


def test_wrong_values_and_commands_are_refused(chat):
    status, out, err = chat("--steps", "3", lines=[*SETTINGS, "/set steps", "/set --max_new_tokens 7", "/set tokens"])
    assert (status, out) == (1, "")
    *refused, steps, tokens, again = err.splitlines()
    assert [line.startswith("gesso: ") for line in refused] == [True] * len(SETTINGS)
    assert [problem for line, problem in zip(refused, SETTINGS.values(), strict=True) if problem not in line] == []
    assert (steps, tokens, again) == ("steps 3", "max-new-tokens 7", "max-new-tokens 7")


def test_settings_hold_for_the_next_answer(chat, mini):
    lines = ["/set tokens 3", "/set", LINES[0], "/set tokens default", '/set stop "o"', "/retry"]
    _, out, err = chat("--seed", "7", lines=lines)
    cut = mini.chat(seed=7, max_new_tokens=3).send(LINES[0])
    stopped = mini.chat(seed=7, stop="o").send(LINES[0])
    assert cut.finish_reason == "length"
    assert out == f"{cut.text}\n{stopped.text}\n"
    assert "[cut: an answer gets at most 3 tokens; /set max-new-tokens 6 and /retry give more]" in err
    assert "max-new-tokens  3      set  The text ends" in err


def test_an_answer_that_fails_does_not_end_the_chat(chat, mini):
    lines = ["word " * 2100, "/set tokens 2048", LINES[0], "/set tokens default", "/retry", "/undo", "/undo"]
    status, out, err = chat("--seed", "7", lines=lines)
    assert (status, out) == (1, mini.chat(seed=7).send(LINES[0]).text + "\n")
    assert err.splitlines()[-1] == "gesso: there is nothing to take back"
    assert "gesso: the conversation has 2" in err and " tokens, more than the model's context of 2048" in err
    assert "The context is full: /undo or /clear makes room; then write the message again, or a shorter one." in err


def test_the_advice_for_a_full_context_is_right(chat):
    """The first answer is too large, and the one that is advised fits."""
    lines = ["word " * 1850]
    status, out, err = chat("--steps", "1", "--max-new-tokens", "1024", lines=lines)
    assert (status, out) == (1, "")
    advice = re.search(r"(/set max-new-tokens \d+) and /retry", err)
    assert advice is not None, err
    lines += [advice[1], "/retry", "/stats"]
    _, _, err = chat("--steps", "1", "--max-new-tokens", "1024", lines=lines)
    assert err.count("gesso: ") == 1 and "last answer: " in err


def test_an_answer_whose_time_is_over(chat, monkeypatch):
    forever = ("--steps", "1000000000", "--confidence", "0")
    status, out, err = chat(*forever, "--timeout", "0.05", lines=LINES[:1])
    assert (status, out) == (1, "")
    assert "gesso: the deadline passed before the first canvas was done" in err
    stream = Chat.stream

    def ended(self, message, *, timeout, **options):
        assert timeout == 7
        for event in stream(self, message, **options):
            if event.reply is not None:
                results = tuple(replace(result, finish_reason="deadline") for result in event.reply.results)
                event = replace(event, reply=replace(event.reply, results=results))
            yield event

    monkeypatch.setattr(Chat, "stream", ended)
    status, _, err = chat("--timeout", "7", lines=LINES[:1])
    assert (status, err) == (0, "[cut after 7 seconds; a larger --timeout gives more]\n")


def test_a_line_that_is_no_text_does_not_end_it(chat, mini):
    status, out, err = chat("--seed", "7", stdin=b"\xff\n" + LINES[0].encode())
    assert (status, out) == (1, mini.chat(seed=7).send(LINES[0]).text + "\n")
    assert "gesso: standard input: a line is not UTF-8" in err


def test_several_lines_are_one_message(chat, tmp_path, random_model):
    file = tmp_path / "chat.json"
    lines = ['"""Hello,', "", 'Ada."""', "one\\", "two", "//quit", "/quit", "more"]
    chat("--save", str(file), "--steps", "1", "--max-new-tokens", "8", lines=lines, model=random_model)
    users = [m["content"] for m in json.loads(file.read_text())["messages"] if m["role"] == "user"]
    assert users == ["Hello,\n\nAda.", "one\ntwo", "/quit"]


# Tools and thoughts. The model is random, and writes what it is told.


@pytest.fixture
def scripted(chat, monkeypatch, random_model):
    """As `chat`, with a model that writes these replies."""

    def run_scripted(replies, *arguments, lines):
        left, submit = iter(replies), Model._submit

        def submit_written(model, ids, deadline, events, options, **others):
            return submit(model, ids, deadline, events, options | written(model, next(left)), **others)

        with monkeypatch.context() as patch:
            patch.setattr(Model, "_submit", submit_written)
            return chat(*arguments, lines=lines, model=random_model)

    return run_scripted


def test_a_function_runs_when_the_model_calls_it(scripted, tmp_path):
    file, saved = tmp_path / "tools.py", tmp_path / "chat.json"
    file.write_text(TOOL)
    replies = [f"<|channel>thought\nso\n<channel|>{CALL}", "It is sunny."]
    arguments = ("--tools", str(file), "--allow-tools", "--save", str(saved))
    status, out, err = scripted(replies, *arguments, lines=["How is it?"])
    assert (status, out) == (0, "It is sunny.\n")
    assert err == 'so\ncall weather({"city": "Oslo"})\nlooking\nweather returns sun \x1b[2J in Oslo\n'
    messages = json.loads(saved.read_text())["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert messages[2]["content"] == "sun \x1b[2J in Oslo"


def test_nobody_is_asked_on_a_pipe(chat, scripted, tmp_path):
    file = tmp_path / "tools.py"
    file.write_text(TOOL)
    status, out, err = chat("--tools", str(file), lines=["hi"])
    assert (status, out) == (2, "")
    assert "--tools: nobody can be asked here whether a function may run; --allow-tools allows it" in err
    status, out, err = scripted([CALL, "No."], lines=[f"/tools {file}", "hi"])
    assert (status, out) == (0, "No.\n")
    assert "looking" not in err and "PermissionError: the user does not allow this call" in err


def test_the_user_answers_for_a_declared_tool(scripted, tmp_path):
    file, saved = tmp_path / "tools.json", tmp_path / "chat.json"
    file.write_text(json.dumps([{"type": "function", "function": {"name": "weather", "description": "Weather"}}]))
    lines = ["/tools", "How is it?", "rain", "Thanks.", "/tools off"]
    arguments = ("--tools", str(file), "--save", str(saved))
    status, out, err = scripted([CALL, "It rains.", "Fine."], *arguments, lines=lines)
    assert (status, out) == (0, "It rains.\nFine.\n")
    assert "tools on\n  weather  Weather" in err and "Your next line is its answer" in err and "tools off" in err
    messages = json.loads(saved.read_text())["messages"]
    roles = [message["role"] for message in messages]
    assert roles == ["user", "assistant", "tool", "assistant", "user", "assistant"]
    assert (messages[2]["name"], messages[2]["content"]) == ("weather", "rain")


def test_thinking_is_turned_on(scripted):
    thought = "so it is " * 12  # it takes several canvases, and is one line
    replies = [f"<|channel>thought\n{thought}\n<channel|>Yes."]
    _, out, err = scripted(replies, lines=["/think on", "hi", "/think"])
    assert out == "Yes.\n"
    assert err == f"think on\n{thought}\nthink on\n"


def test_arguments_that_cannot_be(chat, tmp_path):
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("notes")
    for arguments, status, problem in (
        (["--load", "gone.json"], 1, "gone.json: No such file"),
        (["--load", str(tmp_path / "empty.json")], 1, "no conversation"),
        (["--load", "x", "--system", "y"], 2, "--system: a saved conversation has its beginning"),
        (["--save", str(tmp_path)], 1, "is a folder"),
        (["--save", str(tmp_path / "notes.txt")], 1, "notes.txt: exists and is no conversation; it is not overwritten"),
        (["--tools", "gone.py"], 1, "gone.py: No such file"),
        (["--steps", "0"], 2, "--steps: expected"),
    ):
        got, out, err = chat(*arguments, lines=["hi"])
        assert (got, out, problem in err) == (status, "", True), err
