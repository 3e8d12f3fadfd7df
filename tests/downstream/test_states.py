"""States that go from language to language: what one process has saved, another one continues bit for bit.

The programs are the chats of the folders here, on the library that `make downstream` installs, and the Python package.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gesso
from downstream.programs import PROGRAMS, ROOT, SEED, TURNS, run
from gesso.bundled.sudoku_model import bundled_model

HERE = Path(__file__).parent
PREFIX = ROOT / "build/downstream/prefix"
LANGUAGES = ("c", "ctypes", "rust", "python")
# The package's chat, as a process of its own: chat MODEL SEED STATE < turns.txt
IN_PYTHON = """
import os, sys, gesso
_, path, seed, state = sys.argv
model = gesso.load(path, "cpu")
session = gesso.Session.load(model, state) if os.path.exists(state) else model.session()
for line in sys.stdin:
    ids = model.tokenizer.encode(line.rstrip("\\n"), parse_special=False)
    print(session.generate(ids, max_new_tokens=model.config.canvas_length, seed=int(seed)).texts[0])
session.save(state)
"""


@pytest.fixture(scope="session")
def chats(tmp_path_factory) -> dict[str, list]:
    """The beginning of each language's command."""
    if not PREFIX.exists():
        pytest.skip(f"needs {PREFIX.relative_to(ROOT)}, which `make downstream` makes")
    library = next(PREFIX.rglob("libgesso.so"))
    folder = tmp_path_factory.mktemp("chats")
    flags = ["-std=c99", f"-I{PREFIX}/include", library, f"-Wl,-rpath,{library.parent}"]
    run("cc", HERE / "c/chat.c", *flags, "-o", folder / "chat")
    commands = {
        "c": [folder / "chat"],
        "ctypes": [sys.executable, "-I", HERE / "ctypes/chat.py", library],
        "python": [sys.executable, "-c", IN_PYTHON],
    }
    if shutil.which("cargo", path=PROGRAMS):
        shutil.copytree(HERE / "rust", folder / "rust")
        environment = {"GESSO_LIBRARY": str(library)}
        run("cargo", "build", "--quiet", "--offline", cwd=folder / "rust", environment=environment)
        commands["rust"] = [folder / "rust/target/debug/chat"]
    return commands


@pytest.fixture
def command(chats) -> Callable[[str, Path], list]:
    def find(language: str, state: Path) -> list:
        if language not in chats:
            pytest.skip("needs cargo, which is not installed here")
        return [*chats[language], bundled_model(), str(SEED), state]

    return find


@pytest.fixture(scope="session")
def expected(tmp_path_factory) -> tuple[list[str], list[bytes]]:
    """The replies of one session, and its state behind the first turn and the second."""
    model = gesso.load(bundled_model(), "cpu")
    session = model.session()
    replies, states = [], []
    for turn in TURNS[:2]:
        ids = model.tokenizer.encode(turn, parse_special=False)
        replies.append(session.generate(ids, max_new_tokens=model.config.canvas_length, seed=SEED).texts[0])
        states.append(session.save())
    return replies, states


@pytest.mark.parametrize("reader", LANGUAGES)
@pytest.mark.parametrize("writer", LANGUAGES)
def test_a_state_goes_on_in_another_process(tmp_path, command, expected, writer, reader):
    replies, states = expected
    state = tmp_path / "chat.session"
    assert run(*command(writer, state), input=TURNS[0] + "\n") == replies[0] + "\n"
    assert state.read_bytes() == states[0]
    assert run(*command(reader, state), input=TURNS[1] + "\n") == replies[1] + "\n"
    assert state.read_bytes() == states[1]


def foreign_state() -> bytes:
    session = gesso.load(ROOT / "tests/golden/mixed.gguf", "cpu").session()
    session.encode([5, 6, 7])
    return session.save()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda state: state[:-1], "truncated"),
        (lambda state: state[: len(state) // 2], "truncated"),
        (lambda state: bytes([state[0] ^ 1]) + state[1:], "is no saved session"),
        (lambda state: state[:-100] + bytes([state[-100] ^ 1]) + state[-99:], "its checksum is wrong"),
        (lambda state: foreign_state(), "another model"),
    ],
    ids=["without its last byte", "half", "another kind of file", "one bit changed", "of another model"],
)
def test_a_state_that_is_none_of_this_model_is_refused(tmp_path, command, expected, language, damage, message):
    state = tmp_path / "chat.session"
    damaged = damage(expected[1][0])
    state.write_bytes(damaged)
    done = subprocess.run(command(language, state), input=TURNS[1] + "\n", text=True, capture_output=True)
    assert done.returncode != 0 and done.stdout == ""
    assert message in done.stderr
    assert state.read_bytes() == damaged
