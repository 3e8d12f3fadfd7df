"""The table of generation options, and that Python, C, the command line and checkpoints all have what it lists."""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gesso
from gesso import OptionKind, _native
from gesso.cli.parts import model_options
from gesso.cli.program import make_parser
from gesso.files.checkpoint import outline
from gesso.files.hf.config import Fields
from gesso.files.hf.generation import _read_sampler
from gesso.options import GenerationDefaults
from python.command_line import run as run_command
from python.tiny_model import tiny_model

ROOT = Path(__file__).parents[3]
FIELDS = [name for name in dir(gesso.OptionInfo) if not name.startswith("_")]
# Copies: native objects that pytest holds until the end would look like leaks.
TABLE = [SimpleNamespace(**{x: getattr(option, x) for x in FIELDS}) for option in gesso.generation_options()]
name_of = attrgetter("name")
NAMES = [option.name for option in TABLE]
NUMBERS = [option for option in TABLE if option.kind in (OptionKind.INT, OptionKind.FLOAT)]
OF_CHECKPOINTS = [option for option in NUMBERS if option.checkpoint_key]


def an(option):
    """A value of an option that is allowed, and neither its default nor another option's."""
    value = option.least + 1 + NAMES.index(option.name)
    return int(value) if option.kind == OptionKind.INT else value / 16


def test_the_table_is_one():
    assert len(set(NAMES)) == len(NAMES) >= 11
    flags = [option.flag for option in TABLE if option.flag]
    keys = [option.checkpoint_key for option in TABLE if option.checkpoint_key]
    assert len(set(flags)) == len(flags) and len(set(keys)) == len(keys)
    assert repr(gesso.generation_options()[0]) == f"<max_new_tokens: {TABLE[0].help}>"
    for option in TABLE:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", option.name)
        assert re.fullmatch(r"[A-Z][^.]*\.", option.help), f"{option.name}: one sentence is expected"


def test_python_has_every_option():
    """In the table's order, but for the seed, which `generate_many` takes in a way of its own."""
    assert list(gesso.GenerationOptions.__annotations__) == [*(name for name in NAMES if name != "seed"), "seed"]


def test_a_config_has_every_default_that_checkpoints_carry():
    assert [field.name for field in fields(GenerationDefaults)] == [x.name for x in TABLE if x.checkpoint_key]


def test_c_has_every_scalar_option():
    header = (ROOT / "include/gesso/gesso.h").read_text(encoding="utf-8")
    (body,) = re.findall(r"typedef struct gesso_options \{(.*?)\} gesso_options;", header, re.DOTALL)
    found = re.findall(r"^  (\w+)\*? (\w+);", body, re.MULTILINE)
    types = {OptionKind.INT: "int64_t", OptionKind.FLOAT: "float", OptionKind.SEEDS: "uint64_t"}
    scalars = {option.name: types[option.kind] for option in TABLE if option.kind in types}
    lists = {f"num_{name}": "size_t" for name in ("end_token_ids", "seeds", "canvas_ids", "pins", "stop")}
    names = ("on_step", "on_step_event", "on_canvas_event", "on_poll")
    callbacks = {name: f"gesso_{name.removeprefix('on_')}_callback" for name in names}
    beside = {"struct_size": "size_t", "user_data": "void"} | lists | callbacks
    assert {name: c_type for c_type, name in found} == scalars | beside


def test_the_command_line_has_every_option_with_a_flag():
    subparsers = next(x for x in make_parser()._actions if isinstance(x, argparse._SubParsersAction))
    actions = {action.dest: action for action in subparsers.choices["run"]._actions}
    for option in TABLE:
        if option.kind in (OptionKind.INT, OptionKind.FLOAT, OptionKind.SEEDS):
            assert option.flag, f"{option.name} is a number: the command line can have it"
        if option.flag:
            assert actions[option.name].option_strings == [f"--{option.flag}"]
            assert actions[option.name].help.startswith(option.help)


def test_the_command_line_passes_every_option_on():
    given = {option.name: an(option) for option in TABLE if option.flag and option.kind != OptionKind.SEEDS}
    arguments = [f"--{option.flag}={given[option.name]}" for option in TABLE if option.name in given]
    options = make_parser().parse_args(["run", "MODEL", *arguments, "--seed", "9"])
    assert model_options.sampling_options(options) == given | {"seed": 9}
    assert model_options.sampling_options(make_parser().parse_args(["run", "MODEL"])) == {}


def test_stability_and_confidence_on_the_command_line(path):
    """The tiny model is never confident by itself, so its canvases take all 6 steps."""
    arguments = ("run", str(path), "hi", "--raw", "--max-new-tokens", "8", "--stats")
    assert "steps 6:" in run_command(*arguments)[2]
    assert "steps 1:" in run_command(*arguments, "--stability", "0", "--confidence", "1000")[2]
    status, _, err = run_command(*arguments, "--stability=-1")
    assert status == 2
    assert err.endswith("gesso run: error: argument --stability: expected an integer >= 0, got '-1'\n")


@pytest.mark.parametrize("option", OF_CHECKPOINTS, ids=name_of)
def test_a_checkpoint_gives_the_default(tmp_path, option):
    value = {"t_min": 0.25, "t_max": 3.5}.get(option.name, an(option))
    path = tiny_model(tmp_path / "x.gguf", metadata={option.checkpoint_key: value})
    assert getattr(gesso.load(path).config, option.name) == value


@pytest.mark.parametrize("option", OF_CHECKPOINTS, ids=name_of)
def test_a_folder_gives_the_default(option):
    value = an(option)
    values = {option.name: value}
    if option.name == "entropy_bound":  # it has a place of its own there
        values = {"sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": value}}
    metadata = _read_sampler(Fields(Path("generation_config.json"), values))
    assert metadata == {option.checkpoint_key: value}


@pytest.mark.parametrize(("name", "key"), [("max_denoising_steps", "eb_max_steps"), ("entropy_bound", "entropy_bound")])
def test_the_keys_of_a_fork(tmp_path, name, key):
    """They count where the usual ones are missing."""
    usual = next(option.checkpoint_key for option in TABLE if option.name == name)
    fork = f"diffusion-gemma.diffusion.{key}"
    for metadata, expected in (({fork: 7, usual: None}, 7), ({fork: 7, usual: 5}, 5)):
        path = tiny_model(tmp_path / f"{expected}.gguf", metadata=metadata)
        assert getattr(gesso.load(path).config, name) == expected
    with pytest.raises(gesso.FormatError, match=re.escape(fork)):
        gesso.load(tiny_model(tmp_path / "bad.gguf", metadata={fork: -1, usual: None}))


@pytest.mark.parametrize("option", NUMBERS, ids=name_of)
def test_bounds_hold_as_the_table_says(model, option):
    quick = {"max_new_tokens": 1, "max_denoising_steps": 1, "t_min": 0.0, "t_max": np.finfo(np.float32).max}
    is_int = option.kind == OptionKind.INT
    below = option.least - 1 if is_int else float(np.nextafter(np.float32(option.least), np.float32(-1)))
    wrong = [below, option.least] if option.excludes_least else [below]
    fine = [] if option.excludes_least else [option.least]
    if option.most < math.inf:
        wrong.append(option.most + 1 if is_int else math.inf)
        fine += [] if is_int else [option.most]
    for value in wrong:
        value = int(value) if is_int else value
        with pytest.raises(gesso.ArgumentError, match=rf"{option.name}: expected .*, got "):
            model.generate([5], **quick | {option.name: value})
    for value in fine:
        value = int(value) if is_int else value
        model.generate([5], **quick | {option.name: value})


FITS = "a number that float32 holds, 0 or from 1.17549e-38 to 3.40282e+38"


def test_a_schedule_that_leaves_float32(model):
    """The logits divided by the last step's temperature would be infinite."""
    message = "t_min and t_max: expected a temperature of at least .* in the last of 4 steps, got .* from t_min 0"
    for options in ({"t_min": 0, "t_max": 1e-37}, {"t_min": 0.0, "t_max": 1e-36}):
        with pytest.raises(gesso.ArgumentError, match=message):
            model.generate([5], max_new_tokens=1, max_denoising_steps=4, **options)
    model.generate([5], max_new_tokens=1, max_denoising_steps=4, t_min=0, t_max=1e-33)


def test_the_command_line_shows_the_number_as_given(path):
    for arguments, message in (
        (("--t-min", "1e300"), "gesso run: error: argument --t-min: expected a finite number >= 0, got '1e300'"),
        (("--confidence", "1e-50"), f"gesso: confidence_threshold: expected {FITS}, got 1e-50"),
    ):
        status, out, err = run_command("run", str(path), "hi", "--raw", *arguments)
        assert (status, out, err.splitlines()[-1]) == (2, "", message)


@pytest.mark.parametrize("value", [1e300, 1e-50, math.nan])
def test_a_checkpoint_shows_the_number_as_stored(tmp_path, value):
    """GGUF files may hold float64. A folder's JSON has numbers of any size."""
    stored = np.float64(value)
    for key in ("diffusion.eb_t_max", "diffusion.eb_confidence_threshold"):
        path = tiny_model(tmp_path / "x.gguf", metadata={key: stored})
        with pytest.raises(gesso.FormatError, match=rf"^{re.escape(key)}: expected .*, got {re.escape(f'{value:g}')}$"):
            gesso.load(path)
    for name in ("t_min", "confidence_threshold"):
        expected = re.escape("a float32 number, 0 or from 1.2e-38 to 3.4e+38")
        with pytest.raises(ValueError, match=rf"{name}: expected {expected}, got {re.escape(repr(value))}"):
            _read_sampler(Fields(Path("generation_config.json"), {name: value}))
    key = "diffusion-gemma.final_logit_softcapping"
    with pytest.raises(gesso.FormatError, match=f"{key}: expected a positive number that float32 holds, got"):
        gesso.load(tiny_model(tmp_path / "x.gguf", metadata={key: stored}))


def test_a_number_that_a_file_would_lose_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"^diffusion\.eb_t_min: 1e-50 is beyond the range of float32"):
        tiny_model(tmp_path / "x.gguf", metadata={"diffusion.eb_t_min": 1e-50})


def test_the_message_names_the_range(model):
    for name, value, message in (
        ("max_denoising_steps", 0, "max_denoising_steps: expected an integer from 1 to 1073741824, got 0"),
        ("stability_threshold", -2, "stability_threshold: expected an integer >= 0, got -2"),
        ("entropy_bound", -0.5, "entropy_bound: expected a number >= 0, got -0.5"),
        ("t_min", math.inf, "t_min: expected a finite number >= 0, got inf"),
        ("t_max", 0.0, "t_max: expected a finite number > 0, got 0"),
        # The number is shown as it was given, not as the float32 that it would become.
        (
            "t_min",
            1e300,
            f"t_min: expected {FITS}, got 1e+300",
        ),
        (
            "t_max",
            1e300,
            f"t_max: expected {FITS}, got 1e+300",
        ),
        ("t_max", 1e-50, f"t_max: expected {FITS}, got 1e-50"),
        ("t_min", 1e-45, f"t_min: expected {FITS}, got 1e-45"),
        ("confidence_threshold", 1e-50, f"confidence_threshold: expected {FITS}, got 1e-50"),
        ("entropy_bound", 1e300, f"entropy_bound: expected {FITS}, got 1e+300"),
        ("entropy_bound", math.nan, "entropy_bound: expected a number >= 0, got nan"),
        ("confidence_threshold", math.nan, "confidence_threshold: expected a number >= 0, got nan"),
        ("t_min", math.nan, "t_min: expected a finite number >= 0, got nan"),
    ):
        with pytest.raises(gesso.ArgumentError, match=f"^{re.escape(message)}$"):
            model.generate([5], **{name: value})


@pytest.mark.parametrize("option", TABLE, ids=name_of)
def test_none_is_the_default(model, option):
    """Where a checkpoint carries the default, or the default is nothing. Else None is no value."""
    quick = {"max_new_tokens": 8, "max_denoising_steps": 2}
    if option.name == "max_new_tokens":
        with pytest.raises(TypeError, match=option.name):
            model.generate([5], **quick | {option.name: None})
        return
    if option.name == "seed":  # None draws one
        return
    quick.pop(option.name, None)
    assert model.generate([5], **quick | {option.name: None}).sequences == model.generate([5], **quick).sequences


def test_the_native_side_takes_only_what_the_table_has():
    with pytest.raises(gesso.ArgumentError, match='"temperature" is no generation option'):
        _native.GenerationOptions({"temperature": 1.0})


def test_defaults_without_a_checkpoint():
    metadata = _native.read_config(outline_of_a_config()).generation
    assert metadata == {option.name: option.default_value for option in TABLE}


def outline_of_a_config():
    """The least metadata that a model can have, without any default of an option."""
    keys = {
        "vocab_size": 64, "embedding_length": 8, "feed_forward_length": 8, "expert_feed_forward_length": 8,
        "block_count": 1, "attention.head_count": 2, "attention.head_count_kv": 1, "expert_count": 2,
        "expert_used_count": 1, "attention.sliding_window": 4, "attention.sliding_window_pattern": [0],
        "context_length": 64, "attention.layer_norm_rms_epsilon": 1e-6, "final_logit_softcapping": 30.0,
        "rope.freq_base": 1e6, "attention.key_length": 4,
    }  # fmt: skip
    metadata = {f"diffusion-gemma.{key}": value for key, value in keys.items()}
    return outline({"general.architecture": "diffusion-gemma", "diffusion.canvas_length": 8} | metadata, [])
