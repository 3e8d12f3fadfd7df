"""`gesso help`, the examples of all commands and topics, and the manual page, which are made of the same parsers."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from mini.split import is_held_out
from mini.tasks.small_talk import TOPICS as SMALL_TALK

import gesso
from gesso.bundled.mini_model import QUESTIONS
from gesso.cli.program import main, make_parser
from gesso.files.short_names import find_bundled
from gesso.manual.man_page import man_page, roff
from gesso.manual.parsers import commands_of, help_of
from gesso.manual.topics import make_topics

PAGE = Path(__file__).resolve().parents[3] / "docs/gesso.1"
COMMANDS = {command.name: command for command in commands_of(make_parser())}
TOPICS = {topic.name: topic for topic in make_topics()}
EXAMPLES = {line: name for each in (COMMANDS, TOPICS) for name, owner in each.items() for line in owner.examples}


def calls_in(line):
    """The arguments of each call of gesso in a line for a shell."""
    words, commands = shlex.shlex(line.replace(" 2>", " >"), posix=True, punctuation_chars="|<>()"), [[]]
    words.whitespace_split = True
    for word in words:
        if re.fullmatch("[|<>()]+", word):
            commands.append([])
        elif commands[-1] or not re.fullmatch(r"\w+=.*", word):  # variables may be set in front of a command
            commands[-1].append(word)
    return [command[1:] for command in commands if command[:1] == ["gesso"]]


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_parses(line):
    calls = calls_in(line)
    assert calls
    for arguments in calls:
        make_parser().parse_args(arguments)


def test_examples_ask_the_bundled_model_what_it_has_learnt():
    """Some phrases are held out from its training, and it answers them badly. Those of the demo have a test."""
    phrases = {phrase for topic, _ in SMALL_TALK for phrase in topic if not is_held_out(f"small talk {phrase}")}
    known = phrases | {question.text for question in QUESTIONS}
    asked = {call[2] for line in EXAMPLES for call in calls_in(line) if call[:2] == ["run", "mini"]}
    assert "Hello!" in asked
    assert asked <= known


@pytest.mark.parametrize(
    ("line", "calls"),
    [
        ("gesso run mini 'a | b' > x.txt", [["run", "mini", "a | b"]]),
        ('echo "a b" | gesso run mini --raw', [["run", "mini", "--raw"]]),
        ("source <(gesso completion bash)", [["completion", "bash"]]),
        ("gesso help --man | man -l -", [["help", "--man"]]),
        ("HF_HOME=/data gesso pull a/b --file=c", [["pull", "a/b", "--file=c"]]),
    ],
)
def test_calls_are_found_in_lines_for_a_shell(line, calls):
    assert calls_in(line) == calls


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_and_its_help_ends_with_them(name, capsys):
    command = COMMANDS[name]
    assert command.examples, "give them to add_parser(examples=...), see gesso.cli.parts.command_parser"
    for line, meaning in command.examples.items():
        assert any(call[:1] == [name] for call in calls_in(line)), line
        assert meaning.endswith("."), line
    with pytest.raises(SystemExit):
        main([name, "--help"])
    printed = capsys.readouterr().out
    examples = printed.partition("\nexamples:\n")[2]
    assert [line.strip() for line in examples.splitlines() if re.match("  [^ ]", line)] == [*command.examples]
    assert main(["help", name]) == 0
    assert capsys.readouterr().out.startswith(printed)


@pytest.mark.parametrize("name", TOPICS)
def test_every_topic_is_short_and_has_examples(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["help", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{name}: {TOPICS[name].summary}" in lines
    topic = lines[lines.index(f"{name}: {TOPICS[name].summary}") :]
    assert len(topic) < 60
    assert all(len(line) < 80 for line in topic if not re.match("  [^ ]", line))
    assert [line.strip() for line in topic if line.strip() in TOPICS[name].examples] == [*TOPICS[name].examples]


def needs_no_file_of_the_user(line):
    return not re.search(r"[|<>]|cuda|FILE|FOLDER|--compare", line) and re.match(
        "gesso (run|inspect|help|devices)", line
    )


@pytest.mark.parametrize("line", [*filter(needs_no_file_of_the_user, EXAMPLES)])
def test_examples_run(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.gguf").symlink_to(find_bundled("mini"))
    (tmp_path / "question.txt").write_text("Hello!\n")
    (tmp_path / "questions.jsonl").write_text('{"prompt": "Hello!"}\n')
    ((command, *arguments),) = calls_in(line)
    if command == "run":  # what the example itself says comes later, so it counts
        arguments = ["--max-new-tokens", "8", "--steps", "2", "--device", "cpu", *arguments]
    assert main([command, *arguments]) == 0
    printed = capsys.readouterr()
    if "--jsonl" in arguments:
        assert "finish_reason" in (tmp_path / arguments[-1]).read_text()
    else:
        assert printed.out or ("--think" in arguments and printed.err)  # so few tokens may all be of the thought


def test_help_lists_all_commands_and_topics(capsys):
    assert main(["help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for each in (*COMMANDS.values(), *TOPICS.values()):
        assert re.search(rf"^  {each.name} +{re.escape(each.summary)}$", "\n".join(lines), re.MULTILINE)


def test_a_name_that_is_none(capsys):
    assert main(["help", "quantizing"]) == 2
    message = "gesso: quantizing: no command or topic; `gesso help` lists them; did you mean quantising?\n"
    assert capsys.readouterr().err == message
    assert main(["help", "\x1b[2J"]) == 2
    assert "\x1b" not in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["help", "run", "--man"])
    assert end.value.code == 2


# The manual page


def test_the_page_is_up_to_date(capsys):
    assert main(["help", "--man"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(encoding="utf-8"), "`make man` writes it anew"


def test_the_page_has_every_option_example_and_topic():
    page = PAGE.read_text(encoding="utf-8")
    for command in COMMANDS.values():
        section = page.partition(f"\n.SS gesso {command.name}\n")[2].partition("\n.S")[0]
        for action in command.parser._actions:
            if action.option_strings and "--help" not in action.option_strings:
                term = ", ".join(rf"\fB{roff(name)}\fR" for name in action.option_strings)
                assert f"\n.TP\n{term}" in section
                assert roff(help_of(command.parser, action).split("`")[0]) in section
        assert all(roff(line) in section for line in command.examples)
    assert all(f"\n.SS {roff(name)}: " in page for name in TOPICS)


def test_the_page_has_the_installed_version():
    assert f'"gesso {gesso.__version__}"' in PAGE.read_text(encoding="utf-8").splitlines()[1]


def test_groff_reads_the_page_without_a_warning():
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = ["groff", "-ww", "-man", "-Tascii", "-P-cbou"]
    done = subprocess.run([*command, str(PAGE)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    shown = re.sub(r"\s+", " ", done.stdout)
    assert "gesso run [options] MODEL [PROMPT]" in shown
    assert "gesso quantize bf16.gguf q4.gguf --preset Q4_K_M --tensor 'ffn_down=Q8_0'" in shown
    planted = man_page(make_parser(), [], "1").replace(".SH COMMANDS", ".SH COMMANDS\n.nonsense")
    assert subprocess.run(command, input=planted, capture_output=True, text=True, check=True).stderr != ""


@pytest.mark.parametrize(
    ("words", "escaped"),
    [(".a", ".a"), ("a\\b", r"a\eb"), ("--x=-1", r"\-\-x=\-1"), ("it's", r"it\(aqs"), ("é", r"\[u00E9]")],
)
def test_characters_are_themselves(words, escaped):
    assert roff(words) == escaped
