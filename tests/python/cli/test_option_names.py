"""The options of all commands: one name means one thing everywhere, and one thing has one name."""

from __future__ import annotations

import argparse
from collections import defaultdict

import pytest

from gesso.cli.program import make_parser

# What an option means that several commands have. Whoever gives a command an option of another one's name, or adds one
# here, says with it that both mean this.
SHARED = {
    "--activations": "how products with weights round their inputs",
    "--canvases": "a number of canvases",
    "--chat-template": "a file with a chat template",
    "--compare": "two things to compare",
    "--confidence": "from the table of generation options",
    "--device": "where the model runs",
    "--entropy-bound": "from the table of generation options",
    "--exact-soft-embedding": "as in gesso.load",
    "--file": "a file, by its name or by a pattern",
    "--imatrix": "an importance matrix",
    "--json": "JSON on standard output",
    "--layers": "a number of layers",
    "--log": "messages on standard error",
    "--max-new-tokens": "from the table of generation options",
    "--no-mmap": "read models into memory",
    "--dry-run": "write no file",
    "--plain": "no canvas that settles",
    "--preset": "which types the weights get",
    "--prompt": "a text in front of a canvas",
    "--raw": "no chat template",
    "--seed": "seed of the random draws",
    "--stability": "from the table of generation options",
    "--stats": "speed and steps on standard error",
    "--steps": "denoising steps of a canvas",
    "--stop": "from the table of generation options",
    "--system": "the system message",
    "--t-max": "from the table of generation options",
    "--t-min": "from the table of generation options",
    "--tensor": "the types of some tensors",
    "--think": "let the model think first",
    "--threads": "threads to run on",
    "--timeout": "the seconds that an answer may take",
}
# Names that other programs have for these things. Here they would be second names.
ELSEWHERE = {
    "--gpu", "--n-gpu-layers", "--quant", "--type", "--format", "--live", "--template", "--temp", "--temperature",
    "--n-predict", "--max-tokens", "--num-threads", "--random-seed", "--system-prompt", "--prompt-file", "--thinking",
    "--stop-string", "--reverse-prompt", "--deadline", "--mmap",
}  # fmt: skip
RUNS_MODELS = ("run", "bench", "demo")  # on any device
READS_MODELS = (*RUNS_MODELS, "inspect", "convert", "quantize", "imatrix")


def commands():
    return next(x for x in make_parser()._actions if isinstance(x, argparse._SubParsersAction)).choices


def long_options():
    """Yields the command, the long name and the action of each option."""
    for command, parser in commands().items():
        for action in parser._actions:
            long = [name for name in action.option_strings if name.startswith("--")]
            assert len(long) == 1 or not action.option_strings, f"{command}: {action.option_strings}"
            if long and long != ["--help"]:
                yield command, long[0], action


def value_of(action):
    """Whether an option has no value, a number, or a text."""
    if action.nargs == 0:
        return "flag"
    metavar = str(action.metavar or "")
    return "number" if metavar.removesuffix(",..") in {"N", "X", "STEPS", "TOKENS", "NATS", "SECONDS"} else "text"


def test_an_option_of_several_commands_means_one_thing():
    found = defaultdict(list)
    for command, name, action in long_options():
        found[name].append((command, action))
    assert len(found) > 30
    for name, uses in found.items():
        names = [command for command, _ in uses]
        assert len(uses) == 1 or name in SHARED, f"{name} is in {names}: does it mean the same there?"
        assert len({value_of(action) for _, action in uses}) == 1, f"{name} has values of several kinds in {names}"
        assert len({(action.nargs, action.default is None) for _, action in uses if action.nargs}) <= 1, names


@pytest.mark.parametrize("name", ["--device", "--activations", "--threads", "--no-mmap"])
def test_what_is_the_same_is_described_in_the_same_way(name):
    """`gesso bench` takes several numbers of threads."""
    helps = {action.help for _, found, action in long_options() if found == name}
    assert len(helps) == 1


def test_a_thing_has_one_name():
    names_of = defaultdict(set)
    for command, name, action in long_options():
        assert name not in ELSEWHERE, f"{command} {name}: there is another name for it"
        if action.help is not argparse.SUPPRESS:
            names_of[action.help].add(name)
    assert {help: names for help, names in names_of.items() if len(names) > 1} == {}


def test_commands_that_need_an_option_have_it():
    has = defaultdict(set)
    for command, name, _ in long_options():
        has[command].add(name)
    for command in READS_MODELS:
        assert {"--threads", "--no-mmap"} <= has[command], command
    for command in RUNS_MODELS:
        assert {"--device", "--activations", "--seed"} <= has[command], command
    for command in ("run", "inspect", "convert", "quantize", "imatrix", "synth", "bench", "devices"):
        assert "--json" in has[command], command
