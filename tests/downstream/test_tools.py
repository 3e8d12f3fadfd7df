"""The programs of tools/, which `make tools` builds on the prefix."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import gesso
from downstream.programs import CMAKE, ROOT, SEED, TURNS, run
from gesso import synth
from gesso.bundled.sudoku_model import bundled_model
from gesso.files.short_names import bundled_models
from python.tiny_model import tiny_model

CLI = ROOT / "build/tools/gesso-cli"
MODEL = str(bundled_model())
CHAT_TEMPLATE = Path(synth.__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
# With these a canvas never settles, so an answer lasts until somebody stops it.
ENDLESS = ["--steps", "1000000000", "--stability", "1000000000"]


@pytest.fixture(scope="session", autouse=True)
def cli():
    if not CLI.exists():
        pytest.skip(f"needs {CLI.relative_to(ROOT)}, which `make tools` makes")


@pytest.fixture(scope="session")
def model() -> gesso.Model:
    return gesso.load(MODEL, "cpu")


@pytest.fixture(scope="session")
def expected(model) -> list[str]:
    """What the package replies to two turns of one session."""
    session = model.session()
    ids = [model.tokenizer.encode_prompt(TURNS[0]), model.tokenizer.encode(TURNS[1])]
    texts = [session.generate(turn, seed=SEED).texts[0] for turn in ids]
    assert texts[0] != texts[1]
    return texts


def answer(*words, **options) -> str:
    return run(CLI, MODEL, "--seed", str(SEED), "--device", "cpu", *words, **options)


def refusal(*words, status: int, program=CLI, **options) -> str:
    """The one line that a run with this exit status writes to standard error."""
    done = subprocess.run(
        [program, *words], text=True, stderr=subprocess.PIPE, **{"stdin": subprocess.DEVNULL} | options
    )
    assert done.returncode == status, done.stderr
    assert re.fullmatch(rf"{program.name}: .+\n", done.stderr)
    return done.stderr


ROWS, COLUMNS = 8, 40


@contextmanager
def on_terminal(*words, term="xterm") -> Iterator[tuple[subprocess.Popen, int]]:
    """Runs the program on a terminal. Gives the process, and the end that a person would sit at."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    command = [CLI, MODEL, "--seed", str(SEED), *words]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": term}
    ) as process:
        os.close(theirs)
        try:
            yield process, ours
        finally:
            process.kill()
            os.close(ours)


def read_until(terminal: int, end: str | None) -> str:
    """What comes up to this pattern, or all up to the end of the program."""
    written = ""
    while end is None or not re.search(end, written):
        assert select.select([terminal], [], [], 60)[0], f"nothing came behind {written!r}"
        try:
            written += os.read(terminal, 1 << 16).decode(errors="replace")
        except OSError:  # Linux says so when the program has ended
            assert end is None, written
            break
    return written


def screen(written: str) -> list[str]:
    """The rows that somebody sees in the end, those that have scrolled away included."""
    rows, row, column = [""], 0, 0
    for escape, text in re.findall(r"(\x1b\[\d*\w|\r|\n)|([^\x1b\r\n]+)", written):
        if escape == "\r":
            column = 0
        elif escape == "\n":
            row += 1
            rows += [""] * (row == len(rows))
        elif escape == "\x1b[J":
            rows[row:] = [rows[row][:column]]
        elif escape.endswith("A"):
            row -= int(escape[2:-1])
            assert len(rows) - row <= ROWS, "a terminal cannot reach a row that has scrolled out of it"
        elif text:
            rows[row] = rows[row][:column] + text + rows[row][column + len(text) :]
            column += len(text)
    return rows


def test_it_builds_on_the_wheel(tmp_path, expected):
    flags = ["-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror", f"-Dgesso_DIR={gesso.get_cmake_dir()}"]
    run(CMAKE, "-G", "Ninja", "-S", ROOT / "tools", "-B", tmp_path, *flags)
    run(CMAKE, "--build", tmp_path)
    assert run(tmp_path / "gesso-cli", MODEL, TURNS[0], "--seed", str(SEED)) == expected[0] + "\n"
    assert run(tmp_path / "gesso-bench", MODEL, "--device", "cpu", "--quick").startswith(Path(MODEL).name)


def test_a_pipe_gets_the_text_that_the_package_writes(expected):
    assert answer(TURNS[0]) == expected[0] + "\n"
    assert answer(input=TURNS[0] + "\n") == expected[0] + "\n"
    assert answer("--threads", "2", "--", TURNS[0]) == expected[0] + "\n"


def test_options_reach_the_generation(model):
    ids = model.tokenizer.encode_prompt(TURNS[0])
    output = model.session().generate(ids, seed=3, max_denoising_steps=2, t_max=1.5)
    lines = answer(TURNS[0], "--seed", "3", "--steps", "2", "--t-max", "1.5", "--json").splitlines()
    assert json.loads(lines[-1])["text"] == output.texts[0]
    assert json.loads(lines[-1])["steps"] == sum(output.denoising_steps[0])
    assert set(output.denoising_steps[0]) == {2}


def test_json_lines(model, expected):
    events = [json.loads(line) for line in answer(TURNS[0], "--json").splitlines()]
    output = model.session().generate(model.tokenizer.encode_prompt(TURNS[0]), seed=SEED)
    canvases = list(enumerate(output.denoising_steps[0]))
    assert len(canvases) > 1
    steps = [("step", canvas, step) for canvas, steps in canvases for step in [*range(steps), None]]
    seen = [(event["event"], event.get("canvas"), event.get("step")) for event in events[:-1]]
    assert seen == [(kind if step is not None else "canvas", canvas, step) for kind, canvas, step in steps]
    assert "".join(event["text"] for event in events if event["event"] == "canvas") == expected[0]
    assert events[-1] == {
        "event": "end",
        "thought": "",
        "text": expected[0],
        "ids": len(output.sequences[0]),
        "steps": sum(output.denoising_steps[0]),
        "finish_reason": output[0].finish_reason,
    }


def test_an_error_is_a_json_line_too(tmp_path):
    def error(*words, status: int) -> str:
        done = subprocess.run([CLI, *words, "--json"], capture_output=True)
        (event,) = map(json.loads, done.stdout.decode().splitlines())
        assert event["event"] == "error" and done.returncode == status
        told = done.stderr.decode(errors="replace").removeprefix("gesso-cli: ").removesuffix("\n")
        assert event["message"] == told
        return event["message"]

    assert f"{tmp_path}/none.gguf" in error(tmp_path / "none.gguf", TURNS[0], status=1)
    assert "\ufffd" in error(os.fsencode(tmp_path) + b"/\xff.gguf", TURNS[0], status=1)
    assert "no option --bogus" in error(MODEL, "--bogus", status=2)
    assert "usage: " in error(status=2)


def test_a_place_where_no_state_can_be_saved_is_noticed_first(tmp_path):
    notes = tmp_path / "notes"
    notes.write_text("mine")
    for path in (notes, tmp_path / "none/state"):
        done = subprocess.run([CLI, MODEL, TURNS[0], "--save", path], text=True, capture_output=True)
        assert (done.returncode, done.stdout) == (1, "") and str(path) in done.stderr
    assert notes.read_text() == "mine" and os.listdir(tmp_path) == ["notes"]


def test_the_log_tells_what_its_level_lets_through():
    def told(*words) -> list[str]:
        done = subprocess.run([CLI, MODEL, TURNS[0], "--device", "cpu", *words], text=True, capture_output=True)
        assert done.returncode == 0
        return done.stderr.splitlines()

    assert told() == []
    info, debug = told("--log", "info"), told("--log", "debug")
    assert info[0].startswith(f"gesso-cli: opened {MODEL}: ") and len(info) < 5
    assert [line.startswith("gesso-cli: a pass took ") for line in debug].count(True) > 1
    assert '--log: expected debug, info or warning, got "loud"' in refusal(MODEL, TURNS[0], "--log", "loud", status=2)


def test_a_thought_is_apart():
    mini, question = bundled_models()["mini"], "What is 47 + 35?"
    model = gesso.load(mini, "cpu")
    prompt = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=True, enable_thinking=True
    )
    reply = model.generate(prompt, seed=SEED)[0].reply
    assert reply.thought and "thought" not in reply.text
    command = [CLI, mini, question, "--think", "--device", "cpu", "--seed", str(SEED)]
    end = json.loads(run(*command, "--json").splitlines()[-1])
    assert (end["thought"], end["text"]) == (reply.thought, reply.text)
    assert run(*command) == reply.text.removesuffix("\n") + "\n"


def test_a_saved_state_continues(tmp_path, model, expected):
    state = tmp_path / "state"
    assert answer(TURNS[0], "--save", state) == expected[0] + "\n"
    assert answer(TURNS[1], "--load", state) == expected[1] + "\n"
    session = gesso.Session.load(model, state)
    assert session.generate(model.tokenizer.encode(TURNS[1]), seed=SEED).texts[0] == expected[1]


def test_a_terminal_that_moves_no_cursor(expected):
    with on_terminal(TURNS[0], "--device", "cpu", term="dumb") as (process, terminal):
        written = read_until(terminal, None)
        assert process.wait() == 0
    assert written == expected[0] + "\r\n"


def test_a_conversation_on_a_terminal(tmp_path, expected):
    state = tmp_path / "state"
    with on_terminal("--save", state) as (process, terminal):
        os.write(terminal, f"{TURNS[0]}\n\n{TURNS[1]}\n\x04".encode())
        written = read_until(terminal, None)
        assert process.wait() == 0
    assert "\x1b[2m" in written, "no canvas was shown while it settled"
    rows = screen(written)
    assert "".join(rows).endswith(f"{TURNS[1]}{expected[0]}{expected[1]}> ")
    assert all(len(row) < COLUMNS for row in rows if row not in TURNS)
    assert state.stat().st_size > 0


def test_ctrl_c_in_a_conversation():
    with on_terminal(*ENDLESS) as (process, terminal):
        os.write(terminal, f"{TURNS[0]}\n".encode())
        read_until(terminal, r"\x1b\[2m")
        process.send_signal(signal.SIGINT)
        read_until(terminal, r"\n> $")
        while process.poll() is None:  # the first one may come before the program waits for a line
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "usage"),
        ([MODEL, "a", "bcd"], "bcd"),
        ([MODEL, "a", "--sead", "1"], "--sead"),
        ([MODEL, "a", "--seed"], "--seed"),
        ([MODEL, "a", "--seed", "-1"], "--seed: expected an integer from 0 to"),
        ([MODEL, "a", "--seed", str(2**64)], "--seed: expected an integer from 0 to"),
        ([MODEL, "a", "--steps", "0"], "--steps: expected an integer from 1 to"),
        ([MODEL, "a", "--steps", "2x"], "2x"),
        ([MODEL, "a", "--t-max", "nan"], "--t-max: expected a finite number"),
        ([MODEL, "a", "--t-max", "0"], "--t-max: expected a finite number"),
        ([MODEL, "a", "--threads", "-1"], "threads"),
        ([MODEL, "a", "--device", "abacus"], "abacus"),
        ([MODEL, b"\xff"], "UTF-8"),
        ([MODEL], "the prompt is empty"),
    ],
)
def test_wrong_usage(words, message):
    assert message in refusal(*words, status=2)


def test_a_word_does_nothing_to_the_terminal():
    assert "no?[31m??é" in refusal("no\x1b[31m\x7f\x9bé", "a", status=1)


def test_files_that_cannot_be_used(tmp_path):
    state = tmp_path / "state"
    answer(TURNS[0], "--save", state)
    whole = state.read_bytes()
    for length in (0, 20, len(whole) // 2, len(whole) - 1):
        state.write_bytes(whole[:length])
        assert str(state) in refusal(MODEL, TURNS[1], "--load", state, status=1)
    missing = tmp_path / "missing"
    assert str(missing) in refusal(missing, TURNS[0], status=1)
    assert str(missing) in refusal(MODEL, TURNS[0], "--load", missing, status=1)
    assert str(missing) in refusal(MODEL, TURNS[0], "--save", missing / "state", status=1, stdout=subprocess.DEVNULL)


def test_an_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        assert "standard output" in refusal(MODEL, TURNS[0], status=1, stdout=full)
    for restore_signals in (True, False):  # Python ignores SIGPIPE, and then so does its child
        command = [CLI, MODEL, TURNS[0], "--json", *ENDLESS]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, restore_signals=restore_signals
        ) as process:
            process.stdout.readline()
            process.stdout.close()
            process.wait(timeout=60)
            assert process.returncode == (-signal.SIGPIPE if restore_signals else 1)


def test_ctrl_c_stops_an_answer(tmp_path):
    state = tmp_path / "state"
    command = [CLI, MODEL, TURNS[0], "--json", *ENDLESS, "--save", state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        events = [json.loads(line) for line in process.stdout]
    assert process.returncode == 130
    assert events[-1]["event"] == "end" and events[-1]["finish_reason"] == "cancelled"
    assert events[-2]["event"] == "canvas" and events[-2]["text"] == events[-1]["text"]
    assert state.exists()


def test_help_names_every_option():
    text = run(CLI, "--help")
    source = Path(ROOT / "tools/gesso_cli.cpp").read_text(encoding="utf-8")
    flags = set(re.findall(r'flag == "(--\w+)"', source)) | {
        f"--{option.flag}" for option in gesso._native.generation_options() if option.flag
    }
    assert {flag for flag in flags if flag not in text} == {"--help"}
    assert "no chat template" in text


def test_a_chat_has_the_prompts_that_the_template_writes(tmp_path):
    """Each turn has the ids that the package makes of the whole conversation with the template, also behind a state."""
    path, state = tmp_path / "chat.gguf", tmp_path / "state"
    tiny_model(path, chat_template=CHAT_TEMPLATE)
    options = ["--seed", "3", "--device", "cpu", "--max-new-tokens", "1", "--json"]
    model = gesso.load(path, "cpu")
    for flags, thinks in ((["--system", " be brief "], False), (["--think"], True)):
        messages = [{"role": "system", "content": "be brief"}] if not thinks else []
        loading: list = flags
        for turn in (" hello <turn|> ", "and then?", "why"):
            messages.append({"role": "user", "content": turn})
            prompt = model.tokenizer.apply_chat_template(messages, tokenize=True, enable_thinking=thinks)
            expected = model.generate(prompt, seed=3, max_new_tokens=1)
            written = run(CLI, path, turn, *options, *loading, "--save", state).splitlines()
            assert json.loads(written[-1])["text"] == expected.texts[0]
            held = gesso.Session.load(model, state)
            assert held.ids[0] == [*prompt, *expected.sequences[0]]
            messages.append({"role": "assistant", "content": model.tokenizer.decode(expected.sequences[0], False)})
            loading = ["--load", state, *(["--think"] if thinks else [])]


def test_a_template_that_is_not_known_is_refused(tmp_path):
    path = tmp_path / "chat.gguf"
    tiny_model(path)
    assert "none of the published ones" in refusal(path, "hi", status=1)
    assert run(CLI, path, "hi", "--raw", "--max-new-tokens", "1").endswith("\n")
    assert "--system and --think" in refusal(path, "hi", "--raw", "--think", status=2)
    tiny_model(path, chat_template=CHAT_TEMPLATE)
    run(CLI, path, "hi", "--raw", "--max-new-tokens", "1", "--save", tmp_path / "state")
    assert "is no conversation" in refusal(path, "hi", "--load", tmp_path / "state", status=1)
    assert "--system and --think" in refusal(MODEL, "hi", "--system", "be brief", status=2)
