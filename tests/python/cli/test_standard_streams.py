"""Standard streams that are closed, full or broken: no command prints a traceback, or writes into the wrong file."""

import json
import os
import subprocess
import sys

import pytest

from python.command_line import start
from python.tiny_model import tiny_model

# Runs each line of standard input as a command with closed streams, and writes the exit statuses to a file. Python
# starts with None for streams that are closed.
ALL_CLOSED = """
import json, os, sys
from gesso.cli.program import main

statuses = []
for command in json.loads(sys.argv[1]):
    sys.stdin = sys.stdout = sys.stderr = None
    for stream in range(3):
        try:
            os.close(stream)
        except OSError:  # it was closed by the shell
            pass
    try:
        statuses.append(main(command))
    except SystemExit as end:
        statuses.append(end.code)
with open(sys.argv[2], "w") as file:
    json.dump(statuses, file)
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf"))


# By default, Python buffers its streams, and finds out only when it flushes them.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def run(*arguments, redirect):
    """Runs the command with a shell's redirections, such as ">&-"."""
    command = ["sh", "-c", f'exec "$0" -m gesso "$@" {redirect}', sys.executable, *arguments]
    found = subprocess.run(command, capture_output=True, text=True, env=BUFFERED, timeout=120)
    return found.returncode, found.stdout, found.stderr


CUT = "gesso: the answer was cut after 8 tokens; --max-new-tokens 16 gives more\n"


@pytest.mark.parametrize(
    ("arguments", "redirect", "expected"),
    [
        (["run", "MODEL", "hi", "--max-new-tokens", "8"], ">&-", (0, "", CUT)),
        (["inspect", "MISSING"], "2>&-", (1, "", "")),
        (["devices"], ">/dev/full", (1, "", "gesso: standard output: No space left on device\n")),
        (["--help"], ">/dev/full", (1, "", "gesso: standard output: No space left on device\n")),
        (["inspect", "MISSING"], "2>/dev/full", (1, "", "")),
    ],
)
def test_one_stream_is_closed_or_full(path, tmp_path, arguments, redirect, expected):
    if "/dev/full" in redirect and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    names = {"MODEL": path, "MISSING": str(tmp_path / "missing")}
    assert run(*[names.get(word, word) for word in arguments], redirect=redirect) == expected


def test_every_command_with_all_streams_closed(path, tmp_path):
    (tmp_path / "text").write_text("the end " * 10)
    out = [str(tmp_path / f"{number}.gguf") for number in range(3)]
    commands = [
        ["run", path, "hi", "--max-new-tokens", "8"],
        ["run", path],
        ["inspect", path],
        ["inspect", path, "--json"],
        ["inspect", "--compare", path, path, "--canvases", "1"],
        ["convert", path, out[0]],
        ["quantize", path, out[0], "--preset", "Q8_0"],
        ["imatrix", path, str(tmp_path / "text"), out[1]],
        ["synth", str(tmp_path), "--layers", "1"],
        ["bench", str(tmp_path / "missing")],
        ["devices"],
        ["demo", "--model", path],
        ["dance"],
        ["--help"],
        ["run", "--help"],
    ]
    arguments = [sys.executable, "-c", ALL_CLOSED, json.dumps(commands), str(tmp_path / "statuses")]
    command = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *arguments]
    assert subprocess.run(command, timeout=120).returncode == 0
    statuses = json.loads((tmp_path / "statuses").read_text())
    found = {" ".join(words[:1] + words[2:]): status for words, status in zip(commands, statuses, strict=True)}
    assert statuses == [0, 2, 0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 2, 0, 0], found
    assert (tmp_path / "0.gguf").stat().st_size > 0
    assert (tmp_path / "1.gguf").read_bytes()[:4] == b"GGUF"


@pytest.mark.parametrize("arguments", [["inspect", "MODEL"], ["run", "--help"]])
def test_a_reader_that_has_ended(path, arguments):
    names = {"MODEL": path}
    reading, writing = os.pipe()
    os.close(reading)
    words = [names.get(word, word) for word in arguments]
    process = start(*words, stdout=writing, stderr=subprocess.PIPE, env=BUFFERED)
    os.close(writing)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (141, b"")
