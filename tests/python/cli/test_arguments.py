"""The arguments of all commands: their order, `--`, abbreviations, wrong values, and which command an error names."""

import pytest

from gesso import _native
from gesso.cli.program import main, make_parser
from gesso.manual.parsers import commands_of
from python.command_line import run
from python.tiny_model import tiny_model


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf"))


def parse(*arguments):
    return make_parser().parse_args(arguments)


def usage_error(capsys, *arguments):
    """The error line of a wrong command line."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["MODEL", "--seed", "7", "hi"],
        ["MODEL", "hi", "--seed", "7"],
        ["--seed", "7", "MODEL", "hi"],
        ["--seed=7", "MODEL", "hi"],
        ["MODEL", "--seed", "7", "--", "hi"],
        ["--seed", "7", "--", "MODEL", "hi"],
    ],
)
def test_options_may_stand_anywhere(arguments):
    options = parse("run", *arguments, "--raw") if "--" not in arguments else parse("run", "--raw", *arguments)
    assert (options.model, options.prompt, options.seed, options.raw) == ("MODEL", "hi", 7, True)


@pytest.mark.parametrize("prompt", ["--seed", "-", "-1", "-h", "--raw=1", "---", "--"])
def test_a_prompt_may_begin_with_a_dash_behind_two(prompt):
    options = parse("run", "MODEL", "--seed", "3", "--", prompt)
    assert (options.model, options.prompt, options.seed) == ("MODEL", prompt, 3)
    options = parse("run", "--seed", "3", "--", "MODEL", prompt)
    assert (options.model, options.prompt, options.seed) == ("MODEL", prompt, 3)
    options = parse("run", "--", "MODEL", prompt)
    assert (options.model, options.prompt) == ("MODEL", prompt)


def test_an_option_takes_nothing_from_behind_two_dashes(capsys):
    line = usage_error(capsys, "run", "MODEL", "--system", "--", "hi")
    assert line == "gesso run: error: argument --system: expected one argument"
    line = usage_error(capsys, "run", "MODEL", "--", "-a", "-b")
    assert line == "gesso run: error: unrecognized arguments: -b"


def test_a_missing_prompt_is_standard_input():
    assert parse("run", "MODEL", "--seed", "7").prompt == "-"
    assert parse("run", "--seed", "7", "MODEL").prompt == "-"


def test_other_commands_take_any_order_too():
    options = parse("quantize", "A", "--preset", "Q8_0", "B", "--dry-run")
    assert (options.source, options.target, options.preset) == ("A", "B", "Q8_0")
    options = parse("imatrix", "M", "--steps", "2", "TEXT", "--seed", "1", "OUT")
    assert (options.model, options.text, options.out) == ("M", "TEXT", "OUT")
    options = parse("bench", "-p", "1,2", "M", "-t", "1")
    assert (options.model, options.prompt_tokens, options.threads) == ("M", [1, 2], [1])
    options = parse("inspect", "--compare", "A", "B", "--json")
    assert (options.compare, options.model) == (["A", "B"], None)


def test_the_text_is_the_same_in_any_order(path):
    expected = run("run", path, "hi", "--raw", "--max-new-tokens", "8", "--seed", "7")
    assert expected[0] == 0
    assert run("run", path, "--seed", "7", "hi", "--max-new-tokens", "8", "--raw") == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "M", "hi", "there"], "gesso run: error: unrecognized arguments: there"),
        (["run", "M", "hi", "--sed", "7"], "gesso run: error: unrecognized arguments: --sed"),
        (["run", "M", "hi", "--see", "7"], "gesso run: error: unrecognized arguments: --see"),
        (["run", "M", "hi", "--max-new", "7"], "gesso run: error: unrecognized arguments: --max-new"),
        (["inspect", "M", "--tensor"], "gesso inspect: error: unrecognized arguments: --tensor"),
        (["demo", "x"], "gesso demo: error: argument NAME: invalid choice: 'x'"),
        (["synth"], "gesso synth: error: the following arguments are required: OUT"),
        (["quantize", "A", "B"], "gesso quantize: error: the following arguments are required: --preset"),
        (["run", "--seed"], "gesso run: error: argument --seed: expected one argument"),
        (["--versio"], "gesso: error: "),
        (["dance"], "gesso: error: "),
    ],
)
def test_an_error_names_its_command_and_abbreviations_are_none(capsys, arguments, message):
    assert usage_error(capsys, *arguments).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "M", "hi", "--steps", "0"], "argument --steps: expected an integer from 1 to"),
        (["run", "M", "hi", "--steps", "2.5"], "argument --steps: expected an integer from 1 to"),
        (["run", "M", "hi", "--t-min", "nan"], "argument --t-min: expected a finite number >= 0, got 'nan'"),
        (["run", "M", "hi", "--t-max=-1"], "argument --t-max: expected a finite number > 0, got '-1'"),
        (["run", "M", "hi", "--t-max", "inf"], "argument --t-max: expected a finite number > 0, got 'inf'"),
        (
            ["run", "M", "hi", "--seed", "-1"],
            "argument --seed: expected an integer from 0 to",
        ),
        (["demo", "--seed", str(2**64)], "argument --seed: expected an integer from 0 to 18446744073709551615"),
        (["run", "M", "hi", "--max-new-tokens", "0"], "argument --max-new-tokens: expected an integer >= 1, got '0'"),
        (["run", "M", "hi", "--threads", "0"], "argument --threads: expected 1 to 4096"),
        (["run", "M", "hi", "--threads", "many"], "argument --threads: expected an integer, got 'many'"),
        (["bench", "M", "-p", "1,0"], "argument -p/--prompt-tokens: expected an integer >= 1, got '0'"),
        (["bench", "M", "-b", ""], "argument -b/--batch: expected an integer >= 1, got ''"),
        (["bench", "M", "--steps", "0"], "argument --steps: expected an integer >= 1, got '0'"),
        (["bench", "M", "-t", "1,0"], "argument -t/--threads: expected 1 to 4096"),
        (["bench", "M", "--json", "--csv"], "argument --csv: not allowed with argument --json"),
        (["imatrix", "M", "T", "O", "--context", "0"], "argument --context: expected an integer >= 1, got '0'"),
        (["inspect", "M", "--canvases", "-1"], "argument --canvases: expected an integer >= 0, got '-1'"),
        (["synth", "O", "--layers", "0"], "argument --layers: expected an integer >= 1, got '0'"),
        (["demo", "--puzzles", "0"], "argument --puzzles: expected an integer >= 1, got '0'"),
        (["quantize", "A", "B", "--preset", "Q9"], "argument --preset: invalid choice: 'Q9'"),
        (
            ["quantize", "A", "B", "--preset", "Q8_0", "--tensor", "x"],
            "argument --tensor: expected REGEX=TYPE, got 'x'",
        ),
    ],
)
def test_a_wrong_value_names_the_option_and_exits_with_2(capsys, arguments, message):
    line = usage_error(capsys, *arguments)
    assert line.startswith(f"gesso {arguments[0]}: error: {message}")


def test_every_generation_option_refuses_what_is_below_its_bound(capsys):
    for option in _native.generation_options():
        if option.flag:
            wrong = str(option.least if option.excludes_least else option.least - 1)
            assert f"argument --{option.flag}: expected " in usage_error(
                capsys, "run", "M", "hi", f"--{option.flag}={wrong}"
            )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "MODEL", "hi", "--device", "abacus"], "device: expected"),
        (["run", "MODEL", "hi", "--activations", "f8"], "activations: expected"),
        (
            ["run", "MODEL", "hi", "--max-new-tokens", "100000"],
            "max_new_tokens: 100000 is more than the model's context",
        ),
        (["bench", "MODEL", "-p", "100000"], "--prompt-tokens: 100,000 tokens"),
        (["bench", "--synthetic", "26b-a4b:Q9"], "--synthetic 26b-a4b:Q9: expected one of"),
        (["bench", "--synthetic", "26b-a4b:Q4_0:31"], "number of layers: expected 1 to 30, got 31"),
        (["synth", "OUT", "--layers", "31"], "number of layers: expected 1 to 30, got 31"),
        (["quantize", "MODEL", "OUT", "--preset", "F16", "--tensor", "attn_q=Q9"], "attn_q=Q9: expected a type"),
        (["quantize", "MODEL", "OUT", "--preset", "F16", "--tensor", "(=F32"], "(=F32: not a regular expression"),
    ],
)
def test_a_value_that_is_wrong_for_this_model_exits_with_2(capsys, tmp_path, path, arguments, message):
    names = {"MODEL": path, "OUT": str(tmp_path / "out.gguf")}
    assert main([names.get(x, x) for x in arguments]) == 2
    assert capsys.readouterr().err.startswith(f"gesso: {message}")


def test_every_command_has_help(capsys):
    for command in commands_of(make_parser()):
        name = command.name
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: gesso {name} ")
