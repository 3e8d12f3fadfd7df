"""`gesso chat` in a terminal: what is typed is edited, the canvas settles, and Ctrl-C stops an answer."""

import json
import sys
from pathlib import Path

import pytest

import gesso
from python.api.test_reply import chat_model
from python.command_line import EDITING, Terminal

SCRIPTED = (sys.executable, str(Path(__file__).parents[1] / "talk/scripted.py"))
HELLO = "Hello, I am Ada."
CALL = '<|tool_call>call:weather{city:<|"|>Oslo<|"|>}<tool_call|>'
TOOL = """
def weather(city: str) -> str:
    "Says the weather."
    return f"sun \\x1b[2J in {city}"
"""
# A canvas that never counts as settled, so that Ctrl-C comes in time.
ENDLESS = ("--confidence", "0", "--stability", "1000", "--steps", "100000")


@pytest.fixture
def chat(tmp_path):
    """Begins a chat in a terminal. What is typed is kept for the later ones of the same test."""

    def begin(*arguments, model="mini", **options):
        environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
        size = {"columns": 100, "rows": 30}
        terminal = Terminal(
            "chat", str(model), "--device", "cpu", *arguments, environment=environment, **size, **options
        )
        terminal.until("Ctrl-D leaves.")
        terminal.until(EDITING)
        return terminal

    return begin


def test_a_conversation_with_its_keys(chat, tmp_path):
    terminal = chat("--seed", "7")
    answer = gesso.load("mini", "cpu").chat(seed=7).send(HELLO).text
    terminal.type("Hello,\x1b\rI am ")  # Alt-Enter
    terminal.type("\x7f Ada.\r")
    assert "step 1/48  mean entropy" in terminal.until(EDITING)
    terminal.type("/und\t\r")
    terminal.until("Taken back: Hello,\nI am Ada.")
    terminal.until(EDITING)
    terminal.type(f"{HELLO}\r")
    terminal.until(f"{answer}\n{EDITING}")
    terminal.type("half a line\x03")
    terminal.until("Ctrl-D or /quit leaves.")
    terminal.until(EDITING)
    terminal.type("/stats\r")
    terminal.until("all answers: 2")
    terminal.until(EDITING)
    terminal.type("\x04")
    assert terminal.end() == 0
    history = tmp_path / "state/gesso/chat_history"
    assert history.stat().st_mode & 0o777 == 0o600
    again = chat()
    again.type("\x1b[A\x1b[A")  # two lines up
    again.until(HELLO)
    again.type("\x03\x04")
    assert again.end() == 0


def test_ctrl_c_stops_an_answer_and_keeps_what_is_there(chat, tmp_path):
    file = tmp_path / "chat.json"
    terminal = chat(*ENDLESS, "--seed", "7")
    terminal.type(f"{HELLO}\r")
    terminal.until("step 1/100000")
    terminal.type("\x03")
    terminal.until("[stopped: what was said is kept; /retry tries again]")
    terminal.until(EDITING)
    terminal.type(f"/save {file}\r")
    terminal.until("Saved to")
    terminal.until(EDITING)
    terminal.type("/quit\r")
    assert terminal.end() == 0
    user, said = json.loads(file.read_text())["messages"]
    assert (user["content"], said["role"]) == (HELLO, "assistant")
    assert said["content"].strip()
    shown = " ".join(terminal.sent.split("[stopped")[0].split())
    assert " ".join(said["content"].split())[-20:] in shown


def test_the_user_is_asked_before_a_function_runs(chat, tmp_path):
    tools, file = tmp_path / "tools.py", tmp_path / "chat.json"
    tools.write_text(TOOL)
    path = chat_model(tmp_path / "chat.gguf", canvas_length=32, max_position_embeddings=2048)
    program = (*SCRIPTED, json.dumps([CALL, "It is sunny.", CALL, "No.", CALL, "Yes.", CALL, "Again."]))
    terminal = chat("--tools", str(tools), "--save", str(file), model=path, program=program)
    question = 'Run weather({"city": "Oslo"})? [y]es, [n]o, [a]lways:'
    for answer, result, text in (
        ("y", "weather returns sun ␛[2J in Oslo", "It is sunny."),
        ("n", "PermissionError: the user does not allow this call", "No."),
        ("a", "weather returns sun", "Yes."),
        (None, "weather returns sun", "Again."),
    ):
        terminal.type("How is it?\r")
        if answer is not None:
            terminal.until(question)
            terminal.type(f"{answer}\r")
        before = terminal.until(result)
        assert answer is not None or "Run weather" not in before
        terminal.until(f"{text}\n{EDITING}")
    terminal.type("\x04")
    assert terminal.end() == 0
    assert sum(message["role"] == "tool" for message in json.loads(file.read_text())["messages"]) == 4


def test_another_kind_of_file_is_overwritten_only_after_a_question(chat, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("notes")
    terminal = chat()
    terminal.type(f"/save {notes}\r")
    terminal.until("Overwrite it? [y]es, [n]o:")
    terminal.type("\r")
    terminal.until("it is not overwritten")
    assert notes.read_text() == "notes"
    terminal.until(EDITING)
    terminal.type(f"/save {notes}\r")
    terminal.until("Overwrite it?")
    terminal.type("y\r")
    terminal.until("Saved to")
    terminal.until(EDITING)
    terminal.type("\x04")
    assert terminal.end() == 0
    assert json.loads(notes.read_text())["messages"] == []


def test_colours_that_are_typed_are_no_mouse(chat):
    terminal = chat()
    terminal.type("/set steps \x1b[31m12\r")
    terminal.until("steps 12\n")
    terminal.until(EDITING)
    terminal.type("\x04")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.sent and "Unhandled" not in terminal.sent


def test_gesso_run_without_a_prompt_is_a_chat():
    terminal = Terminal("run", "mini", "--device", "cpu", "--seed", "7", "--steps", "1", columns=100)
    terminal.until("Ctrl-D leaves.")
    terminal.type("/set steps\r")
    terminal.until("steps 1\n")
    terminal.until(EDITING)
    terminal.type("\x04")
    assert terminal.end() == 0
