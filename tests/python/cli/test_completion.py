"""`gesso completion`: the scripts in real shells, as far as they are installed, and what is in them."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess

import pytest

from gesso.cli.program import make_parser
from gesso.files.short_names import bundled_models
from gesso.manual.completion import SHELLS
from gesso.manual.parsers import commands_of
from gesso.manual.topics import make_topics
from python.command_line import run

COMMANDS = {command.name: command.parser for command in commands_of(make_parser())}
# What a user types before the Tab key, and the line afterwards.
COMPLETED = {
    "gesso quan": "gesso quantize",
    "gesso run sud": "gesso run sudoku-6x6",
    "gesso run two": r"gesso run two\ words.gguf",
    "gesso run mini --dev": "gesso run mini --device",
    "gesso run mini Hello --device au": "gesso run mini Hello --device auto",
    "gesso run mini Hello --chat-template a_t": "gesso run mini Hello --chat-template a_template.jinja",
    "gesso quantize a.gguf b.gguf --preset Q8": "gesso quantize a.gguf b.gguf --preset Q8_0",
    "gesso convert check": "gesso convert checkpoint/",
    "gesso help samp": "gesso help sampling",
    "gesso demo mi": "gesso demo mini",
}


@pytest.fixture(scope="module")
def scripts():
    found = {}
    for shell in SHELLS:
        status, found[shell], err = run("completion", shell)
        assert (status, err) == (0, "")
    return found


@pytest.fixture
def folder(tmp_path):
    for name in ("two words.gguf", "a_template.jinja", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "checkpoint").mkdir()
    return tmp_path


def need(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


def press_tab(command, setup, lines, folder):
    """Types lines into a shell in a terminal, Tab after each, and returns what the lines have become."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, os.environ | {"TERM": "dumb", "HISTFILE": "", "HOME": str(folder)})
    completed = []
    with os.fdopen(terminal, "r+b", buffering=0) as shell:
        for line in [None, *lines]:
            # Ctrl-A and Ctrl-E go to the ends of the line. What the shell then prints is the line itself.
            typed = f"{setup}\necho '<'ready'>'\n" if line is None else f"{line}\t\x05>'\x01echo '<\n"
            shell.write(typed.encode())
            seen = ""
            while not (found := re.search(r"[\r\n]<([^\r\n]*)>\r?\n", seen)):
                assert select.select([shell], [], [], 60)[0], f"nothing comes behind {seen!r}"
                seen += shell.read(65536).decode(errors="replace")
            completed.append(found[1])
        shell.write(b"exit\n")
    os.waitpid(process, 0)
    return [each.rstrip() for each in completed[1:]]


def test_bash_in_a_terminal(scripts, folder):
    need("bash")
    (folder / "script").write_text(scripts["bash"])
    setup = "source ./script; bind 'set enable-bracketed-paste off'"
    assert press_tab(["bash", "--norc", "--noprofile"], setup, COMPLETED, folder) == [*COMPLETED.values()]


def test_zsh_in_a_terminal(scripts, folder):
    need("zsh")
    (folder / "script").write_text(scripts["zsh"])
    setup = 'autoload -U compinit; compinit -u; eval "$(cat script)"; unset zle_bracketed_paste'
    # zsh shows what an option means first, and does not count the slash behind a folder as typed.
    typed = [f"{line}\t" if line.endswith("--dev") else line for line in COMPLETED]
    assert press_tab(["zsh", "-f", "-i"], setup, typed, folder) == [line.rstrip("/") for line in COMPLETED.values()]


def test_fish(scripts, folder):
    need("fish")
    (folder / "script").write_text(scripts["fish"])
    for typed, expected in COMPLETED.items():
        command = ["fish", "-c", f"source script; complete -C {shlex.quote(typed)}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
        words = [line.partition("\t")[0] for line in done.stdout.splitlines()]
        assert expected.replace("\\ ", " ").endswith(tuple(words)) and len(words) == 1, (typed, words)


def test_bash_offers_everything(scripts, folder):
    """Asks the function that bash would call, for all that may stand at a place."""
    need("bash")
    (folder / "script").write_text(scripts["bash"])
    (folder / "ask").write_text(
        "source ./script 2>/dev/null; name=$(complete -p gesso | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); $name 2>/dev/null; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )

    def ask(*words):
        done = subprocess.run(["bash", "ask", *words], capture_output=True, text=True, cwd=folder, check=True)
        return done.stdout.splitlines()

    topics = {topic.name for topic in make_topics()}
    assert set(ask("gesso", "")) == set(COMMANDS)
    assert ask("gesso", "run", "") == [*bundled_models(), "two words.gguf", "checkpoint"]
    assert set(ask("gesso", "help", "")) == topics | set(COMMANDS)
    assert ask("gesso", "completion", "") == [*SHELLS]
    for name, parser in COMMANDS.items():
        assert set(ask("gesso", name, "-")) == set(parser._option_string_actions)


# What a shell reads, for those that are not installed


def test_fish_has_every_option_and_choice(scripts):
    found = {name: set() for name in COMMANDS}
    for line in scripts["fish"].splitlines():
        if line.startswith("complete -c gesso ") and " -n " in line:
            words = shlex.split(line)
            condition = words[words.index("-n") + 1]
            for name in re.findall(r"^_shtab_gesso_using ([\w-]+)", condition):
                found[name] |= {f"--{words[i + 1]}" for i, word in enumerate(words) if word == "-l"}
                found[name] |= {f"-{words[i + 1]}" for i, word in enumerate(words) if word == "-s"}
    assert found == {name: set(parser._option_string_actions) for name, parser in COMMANDS.items()}
    assert len(re.findall(r"^end$", scripts["fish"], re.MULTILINE)) == len(
        re.findall(r"^function ", scripts["fish"], re.MULTILINE)
    )


SPEC = re.compile(r"""(?:\(- : \*\)|\*)?(?:\{(?P<names>[-\w,]+)\}|(?P<name>-[-\w]+))?\[.*\](?::(?:[^:\\]|\\.)*:.*)?""")


def test_zsh_has_every_option(scripts):
    for name, parser in COMMANDS.items():
        block = re.search(rf"^_shtab_gesso_{name}_options=\(\n(.*?)^\)$", scripts["zsh"], re.MULTILINE | re.DOTALL)
        options = set()
        for line in block[1].splitlines():
            (spec,) = shlex.split(line)
            if spec.startswith(":"):  # what stands at a position
                assert re.fullmatch(r":(?:[^:\\]|\\.)*:.*", spec), spec
                continue
            match = SPEC.fullmatch(spec)
            assert match, spec
            options |= set((match["names"] or match["name"]).split(","))
        assert options == set(parser._option_string_actions)


def test_the_script_needs_a_known_shell(capsys):
    status, out, err = run("completion", "tcsh")
    assert (status, out) == (2, "")
    assert "invalid choice: 'tcsh'" in err.splitlines()[-1]
