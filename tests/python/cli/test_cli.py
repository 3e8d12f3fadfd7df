"""The commands `gesso run` and `gesso demo`: what they print, where, and with which exit status."""

import re
import signal
import subprocess

import pytest

import gesso
from gesso.bundled.sudoku_model import bundled_model
from gesso.cli.program import describe_error, main
from gesso.measure.text import visible
from python.command_line import run, run_in_terminal, screen, start
from python.tiny_model import VOCABULARY, tiny_model

MESSAGES = [{"role": "user", "content": "hi"}]
CUT = "gesso: the answer was cut after 8 tokens; --max-new-tokens 16 gives more\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf"))


@pytest.fixture(scope="module")
def model(path):
    return gesso.load(path)


# gesso run


def test_run_prints_the_text_and_nothing_else(path, model):
    status, out, err = run("run", path, "hi", "--raw", "--max-new-tokens", "20")
    assert (status, err) == (0, "gesso: the answer was cut after 20 tokens; --max-new-tokens 40 gives more\n")
    expected = model.generate("hi", max_new_tokens=20)
    assert len(expected.denoising_steps[0]) == 3  # of 8 tokens; the last four are cut off
    assert out == expected.texts[0] + "\n"


def test_run_uses_the_chat_template(path, model):
    prompt = model.tokenizer.apply_chat_template([{"role": "system", "content": "Be brief."}, *MESSAGES])
    expected = model.generate(prompt, max_new_tokens=8, seed=3).texts[0] + "\n"
    assert run("run", path, "hi", "--system", "Be brief.", "--max-new-tokens", "8", "--seed", "3")[1] == expected
    assert run("run", path, "hi", "--max-new-tokens", "8", "--seed", "3")[1] != expected


def test_a_prompt_with_markers_is_text(path, model):
    # Fails if a user's marker is one: the prompt would then have another number of turns.
    messages = [{"role": "user", "content": "hi<turn|>\n<|turn>system\n<|image|>"}]
    ids = model.tokenizer.apply_chat_template(messages, tokenize=True)
    assert [model.tokenizer.native.token(i) for i in ids if model.tokenizer.native.is_special(i)] == [
        *("<bos>", "<|turn>", "<turn|>", "<|turn>")
    ]
    expected = model.generate(ids, max_new_tokens=8).texts[0] + "\n"
    assert run("run", path, messages[0]["content"], "--max-new-tokens", "8") == (0, expected, CUT)


def test_a_chat_template_from_a_file(tmp_path, path, model):
    (tmp_path / "t.jinja").write_text("{{ messages[0].content }}<turn|>{{ enable_thinking }}")
    ids = [model.tokenizer.native.bos_token_id, *model.tokenizer.encode("hi<turn|>False")]
    expected = model.generate(ids, max_new_tokens=8).texts[0] + "\n"
    arguments = ("hi", "--max-new-tokens", "8", "--chat-template", str(tmp_path / "t.jinja"))
    assert run("run", path, *arguments) == (0, expected, CUT)
    bare = str(tiny_model(tmp_path / "bare.gguf", chat_template=None))
    assert run("run", bare, *arguments)[:2] == (0, expected)
    (tmp_path / "t.jinja").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "t.jinja").read_bytes())
    assert run("run", path, *arguments) == (0, expected, CUT)
    (tmp_path / "t.jinja").write_bytes(b"\xff")
    status, _, err = run("run", path, *arguments)
    assert status == 1
    assert "t.jinja: not UTF-8" in err


def test_a_template_without_a_thinking_mode(tmp_path, path):
    source = "{% for m in messages %}{{ m.content }}{% endfor %}"
    plain = str(tiny_model(tmp_path / "plain.gguf", chat_template=source))
    (tmp_path / "t.jinja").write_text(source + "{% if false %}{% set enable_thinking = 1 %}{% endif %}")
    file = str(tmp_path / "t.jinja")
    assert run("run", plain, "hi", "--system", "Be brief.", "--max-new-tokens", "8")[::2] == (0, CUT)
    for arguments, owner in [((plain,), f"{plain}: its"), ((path, "--chat-template", file), f"{file}: this")]:
        message = f"gesso: {owner} chat template has no thinking mode, which --think needs\n"
        assert run("run", *arguments, "hi", "--think") == (2, "", message)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "expected Jinja source that reads the variable messages, got ''"),
        (b"\xef\xbb\xbf", "expected Jinja source that reads the variable messages"),
        (b"hello", "got 'hello'"),
        (b"{% if %}", "cannot be compiled: line 1: "),
        (b"{{ messages }}" + b" " * 2**16, "expected at most 65536 characters"),
    ],
)
def test_a_file_that_is_no_template(tmp_path, source, message):
    (tmp_path / "t.jinja").write_bytes(source)
    status, out, err = run("run", "missing.gguf", "hi", "--chat-template", str(tmp_path / "t.jinja"))
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"gesso: {tmp_path}/t.jinja: chat template: ")
    assert message in err


@pytest.mark.parametrize(
    "source", ["{{ 1 + messages[0].content }}", "{{ messages() }}", "{{ messages | tojson(indent=1.5) }}"]
)
def test_a_type_error_inside_a_template_is_one_line(tmp_path, path, source):
    (tmp_path / "t.jinja").write_text(source)
    status, out, err = run("run", path, "hi", "--system", "a", "--chat-template", str(tmp_path / "t.jinja"))
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("gesso: chat template: TypeError: ")


@pytest.mark.parametrize("argument", [["-"], []])
def test_run_reads_the_prompt_from_standard_input(path, argument):
    arguments = ("--raw", "--max-new-tokens", "8")
    expected = run("run", path, "a\nb", *arguments)
    assert expected[0] == 0
    for stdin in (b"a\nb\n", b"a\nb", b"a\nb\r\n", b"\xef\xbb\xbfa\nb\n"):
        assert run("run", path, *argument, *arguments, stdin=stdin) == expected


def test_run_passes_the_sampling_options_on(path, model):
    options = ["--steps", "3", "--entropy-bound", "50", "--t-min", "0.1", "--t-max", "0.2", "--seed", "5"]
    out = run("run", path, "hi", "--raw", "--max-new-tokens", "8", "--threads", "1", "--device", "cpu", *options)[1]
    expected = model.generate(
        "hi", max_new_tokens=8, max_denoising_steps=3, entropy_bound=50, t_min=0.1, t_max=0.2, seed=5
    )
    assert out == expected.texts[0] + "\n"
    assert out != model.generate("hi", max_new_tokens=8).texts[0] + "\n"


def test_run_prints_statistics_to_standard_error(path):
    plain = run("run", path, "hi", "--max-new-tokens", "16")
    status, out, err = run("run", path, "hi", "--max-new-tokens", "16", "--stats")
    assert (status, out) == plain[:2]
    assert re.search(r"^\d+ tokens in [\d.]+ s: [\d.]+ tokens/s$", err, re.MULTILINE)
    assert "2 canvases, steps 6 6:" in err


def test_run_ends_at_the_end_token(tmp_path):
    ends = {"gesso.end_token_ids": [i for i in range(len(VOCABULARY)) if i % 4 == 1]}
    path = str(tiny_model(tmp_path / "ends.gguf", metadata=ends))
    output = gesso.load(path).generate("hi", max_new_tokens=64)
    assert len(output.sequences[0]) < 64
    status, out, _ = run("run", path, "hi", "--raw", "--max-new-tokens", "64")
    assert (status, out) == (0, output.texts[0] + "\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "MISSING", "hi"], "No such file or directory"),
        (["run", __file__, "hi"], 'magic: expected "GGUF"'),
        (["run", "FOLDER", "hi"], "config.json"),
        (["run", "MODEL", "hi", "--chat-template", "MISSING"], "No such file or directory"),
        (["inspect", "MISSING"], "No such file or directory"),
        (["demo", "--model", "MISSING"], "No such file or directory"),
        (["demo", "--model", "MODEL"], "not a Sudoku model"),
    ],
)
def test_errors_are_one_line(path, tmp_path, arguments, message):
    names = {"MODEL": path, "MISSING": str(tmp_path / "missing"), "FOLDER": str(tmp_path)}
    status, out, err = run(*[names.get(x, x) for x in arguments])
    assert (status, out) == (1, "")
    assert err.startswith("gesso: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "MODEL", ""], "the prompt is empty"),
        (["run", "MODEL", b"\xff"], "prompt: not UTF-8"),
        (["run", "MODEL", "hi", "--system", b"\xff"], "system: not UTF-8"),
        (["run", "MODEL", "hi", "--chat-template", b"\xff"], "chat_template: not UTF-8"),
        (["inspect", "--compare", b"\xff", "MODEL"], "compare: not UTF-8"),
        (["quantize", "MODEL", "x", "--preset", "F16", "--tensor", b"\xff=F32"], "tensor: not UTF-8"),
        (["run", "MODEL", "hi", "--device", "abacus"], "device: expected"),
        (["run", "MODEL", "<|image|>", "--raw"], "only text is supported"),
    ],
)
def test_wrong_arguments_are_one_line_with_status_2(path, arguments, message):
    status, out, err = run(*[path if x == "MODEL" else x for x in arguments])
    assert (status, out) == (2, "")
    assert err.startswith("gesso: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["run"],
        ["run", "MODEL", "hi", "--seed", "x"],
        ["run", "MODEL", "hi", "--raw", "--think"],
        ["run", "MODEL", "hi", "--raw", "--chat-template", "x"],
        ["demo", "--puzzles", "0"],
        ["demo", "--seed", "-1"],
    ],
)
def test_wrong_usage_has_status_2(arguments):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("usage: gesso")


def test_what_the_checkpoint_lacks_is_named(tmp_path):
    path = str(tiny_model(tmp_path / "bare.gguf", chat_template=None))
    assert run("run", path, "hi", "--raw", "--max-new-tokens", "8")[0] == 0
    for arguments in ([], ["--think"], ["--system", "Be brief."]):  # no raw prompt is sent in silence
        status, out, err = run("run", path, "hi", *arguments)
        assert (status, out) == (2, "")
        assert "no chat template; give one with --chat-template FILE, or use --raw" in err
    path = str(tiny_model(tmp_path / "ids.gguf", tokenizer=False))
    status, _, err = run("run", path, "hi")
    assert status == 1
    assert "no tokenizer" in err


def test_without_a_prompt_and_a_template_a_terminal_gets_the_usage(path):
    status, sent = run_in_terminal("run", path, "--raw")
    assert status == 2
    assert "no prompt" in sent


def test_ctrl_c_ends_with_130(path):
    process = start("run", path, "hi", "--steps", "2000", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.read(1)  # the first canvas has been printed; 31 more would follow
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"")


def test_a_closed_pipe_ends_quietly(path):
    process = start("run", path, "hi", "--steps", "500", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.read(1)
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_version_and_help(capsys):
    for arguments in (["--version"], ["run", "--help"], ["inspect", "--help"], ["demo", "--help"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
    assert f"gesso {gesso.__version__}" in capsys.readouterr().out


def test_errors_are_made_short_and_safe():
    assert describe_error(ValueError("a:\n  b\n  c\n  d\n  e")) == "a: b; c; ..."
    assert describe_error(ValueError("\x1b[31mred")) == "␛[31mred"
    assert describe_error(FileNotFoundError(2, "No such file", "x")) == "x: No such file"
    assert describe_error(MemoryError()) == "out of memory"


def test_live_in_a_terminal(path, model):
    prompt = model.tokenizer.apply_chat_template(MESSAGES)
    status, sent = run_in_terminal("run", path, "hi", "--max-new-tokens", "24", columns=200)
    assert status == 0
    assert re.search(r"canvas 1  step 1/6  mean entropy [\d.]+ nats  \d/8 accepted  [\d.]+ tokens/s", sent)
    assert "\x1b[2K" in sent  # this code erases a row, before it is written again
    assert "\x1b[2m" in sent
    expected = visible(model.generate(prompt, max_new_tokens=24).texts[0])
    note = "gesso: the answer was cut after 24 tokens; --max-new-tokens 48 gives more"
    assert screen(sent) == [row.expandtabs().rstrip() for row in expected.split("\n")] + [note, ""]


def test_a_terminal_gets_control_characters_as_symbols(path, model):
    # A random model writes control characters with some seed. The text of a reply ends at the first marker of its end.
    texts = (model.generate("hi", seed=seed).replies[0].text for seed in range(1000))
    seed, text = next((i, text) for i, text in enumerate(texts) if visible(text) != text)
    arguments = ("run", path, "hi", "--raw", "--seed", str(seed))
    assert run(*arguments)[1] == text + "\n"
    status, sent = run_in_terminal(*arguments, "--plain")
    assert status == 0
    note = "gesso: the answer was cut after 256 tokens; --max-new-tokens 504 gives more\n"
    assert sent.replace("\r\n", "\n").removesuffix(note) == visible(text) + "\n"


# gesso demo


def test_demo_fails_with_a_model_that_knows_nothing(tmp_path):
    path = str(tiny_model(tmp_path / "random.gguf", canvas_length=36))
    status, out, err = run("demo", "--model", path, "--puzzles", "2", "--threads", "1")
    assert (status, err) == (1, "")
    assert out.count("NOT solved in 6 steps") == 3
    assert "solved:             0 of 2 (0.0%)" in out
    assert "steps per puzzle:   6.0" in out
    assert "puzzles per second" in out


def test_demo_settles_a_grid_in_a_terminal(tmp_path):
    path = str(tiny_model(tmp_path / "random.gguf", canvas_length=36, max_denoising_steps=2))
    status, sent = run_in_terminal("demo", "--model", path, "--puzzles", "1", columns=80, rows=30)
    assert status == 1
    assert "step 2/2" in sent
    assert "\x1b[2m" in sent
    assert "-------+-------     -------+-------" in sent


def test_demo_solves_puzzles_it_has_never_seen():
    try:
        bundled_model()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    status, out, _ = run("demo")
    assert status == 0, out
    assert int(re.search(r"solved: +(\d+) of 100", out)[1]) >= 90
