"""Every bad argument raises an error of the right type, whose message names the cause."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import gesso
from python.expect import raises

GOLDEN = Path(__file__).parents[2] / "golden"
NAN, INFINITY = math.nan, math.inf
QUICK = {"max_new_tokens": 1, "max_denoising_steps": 1}


# Options of gesso.load.


@pytest.mark.parametrize("device", ["cuda", "gpu", "CPU", ""])
def test_unknown_device(path, device):
    with raises(gesso.ArgumentError, "device", f'"{device}"'):
        gesso.load(path, device=device)


@pytest.mark.parametrize("num_threads", [0, -1, 10**6, 2**40])
def test_number_of_threads(path, num_threads):
    with raises(gesso.ArgumentError, "num_threads", str(num_threads)):
        gesso.load(path, num_threads=num_threads)


@pytest.mark.parametrize("num_threads", [1.5, "2", True])
def test_threads_of_another_kind(path, num_threads):
    with raises(TypeError, "num_threads"):
        gesso.load(path, num_threads=num_threads)


@pytest.mark.parametrize("name", ["device", "activations", "mmap", "exact_soft_embedding", "copy_weights"])
@pytest.mark.parametrize("value", [None, 0, b"auto", "no"])
def test_arguments_of_another_kind(path, name, value):
    is_text = name in ("device", "activations")
    if is_text and isinstance(value, str):
        return
    with raises(TypeError, f"^{name}: expected {'a str' if is_text else 'True or False'}, got .*{value!r}$"):
        gesso.load(path, **{name: value})


# Prompts.


@pytest.mark.parametrize("prompts", ["", [], [[]], [""], [[5], []], np.array([], int)])
def test_empty_prompt(model, prompts):
    with raises(gesso.ArgumentError, "(empty|expected at least)"):
        model.generate(prompts, **QUICK)


def test_text_that_is_no_unicode(model):
    with raises(gesso.ArgumentError, "text: not UTF-8 at character 3"):
        model.generate("ab \udc80", **QUICK)


def test_a_path_that_is_no_unicode(tmp_path):
    path = tmp_path / "\udcff.gguf"
    with raises(FileNotFoundError, r"\\xff.gguf"):
        gesso.load(path)
    path.write_bytes(b"no GGUF at all")
    with raises(gesso.FormatError, r"\\xff.gguf"):
        gesso.load(path)


@pytest.mark.parametrize("token", [-1, 369, 10**6, 2**31, 2**63, -(2**40)])
def test_token_outside_the_vocabulary(model, token):
    assert model.config.vocab_size == 369
    for prompts in ([5, token], [[5], [6, token]]):
        with raises(gesso.ArgumentError, str(token), "vocabulary"):
            model.generate(prompts, **QUICK)


def test_prompt_beyond_the_context(model):
    room = model.config.max_position_embeddings
    with raises(gesso.ArgumentError, str(room), str(room + 1)):
        model.generate([5] * (room + 1), **QUICK)
    with raises(gesso.ArgumentError, str(room), f"{room + 1} positions"):
        model.generate([5] * (room - model.config.canvas_length + 1), **QUICK)
    with raises(gesso.ArgumentError, "sequence 1"):
        model.generate([[5], [5] * room], **QUICK)
    with raises(gesso.ArgumentError, "context"):
        model.generate([5] * (room - model.config.canvas_length), **QUICK | {"max_new_tokens": 9})
    model.generate([5] * (room - model.config.canvas_length), **QUICK)


def test_image_placeholders(model):
    image = model.config.placeholder_token_ids[0]
    for prompts in ([5, image], "<|image|>", [[5], [image]]):
        with raises(gesso.ArgumentError, str(image), "image"):
            model.generate(prompts, **QUICK)


@pytest.mark.parametrize("prompts", [None, 5, 1.5, [1.5], [[5], 1.5], [True], b"ab", np.array([1.5]), {5: 6}, [None]])
def test_prompts_of_another_kind(model, prompts):
    with raises(TypeError, "prompts"):
        model.generate(prompts, **QUICK)


def test_text_without_a_tokenizer():
    model = gesso.load(GOLDEN / "mixed.gguf")
    with raises(ValueError, "tokenizer"):
        model.generate("hello", **QUICK)


# Options of generate.

WRONG_VALUES = [
    ("max_new_tokens", [0, -1, 513, 2**40, 2**70]),
    ("max_denoising_steps", [0, -1, 2**31, 2**70]),
    ("entropy_bound", [-0.1, NAN, -INFINITY]),
    ("t_min", [-0.1, NAN, INFINITY, -INFINITY]),
    ("t_max", [-1.0, 0.0, NAN, INFINITY, 0.1]),
    ("stability_threshold", [-1, 2**70]),
    ("confidence_threshold", [-1e-9, NAN]),
    ("end_token_ids", [[369], [-1], [2**31]]),
    ("seed", [[], [1, 2], -1, [-1], 2**64]),
    ("canvas", [[1] * 7, [1] * 9, [], [[1] * 8] * 2, [369] * 8, [-1] * 8]),
    ("pinned", [{8: 1}, {-1: 1}, {0: 369}, {0: -1}, {0: 2**40}, {2**70: 1}, [{}, {}], [[{}], [{}]], [None, None]]),
]
WRONG_KINDS = [
    ("max_new_tokens", [1.5, "3", None, True, NAN]),
    ("max_denoising_steps", [1.5, "3", True, NAN]),
    ("entropy_bound", ["a", [1], True, np.complex64(1)]),
    ("t_min", ["a", True]),
    ("t_max", ["a", [0.5]]),
    ("stability_threshold", [1.5, NAN, "1"]),
    ("confidence_threshold", ["a", True]),
    ("end_token_ids", [5, "a", [1.5]]),
    ("seed", [1.5, "a", NAN, True, [1.5]]),
    ("canvas", [5, "abc", [[1.5] * 8], np.ones((1, 8))]),
    ("pinned", [5, [5], "abc", {0.5: 1}, {0: 1.5}, {"a": 1}, {0: True}, [[5]]]),
    ("on_step", [5, "print"]),
    ("on_canvas", [5, "print"]),
]


def cases(table):
    return [pytest.param(name, value, id=f"{name}={value!r}"[:40]) for name, values in table for value in values]


@pytest.mark.parametrize(("name", "value"), cases(WRONG_VALUES))
def test_option_out_of_range(model, name, value):
    assert model.config.canvas_length == 8
    with raises(gesso.ArgumentError, "t_(min|max)" if name in ("t_min", "t_max") else name):
        model.generate([5], **QUICK | {name: value})
    session = model.session()
    session.encode([5])
    with raises(gesso.ArgumentError):
        session.generate(**QUICK | {name: value})
    assert session.length == 1


@pytest.mark.parametrize(("name", "value"), cases(WRONG_KINDS))
def test_option_of_another_kind(model, name, value):
    with raises(TypeError, name):
        model.generate([5], **QUICK | {name: value})


def test_numbers_that_are_fine(model):
    """These values are at the edges of what is allowed."""
    fine = [("entropy_bound", 0), ("entropy_bound", INFINITY), ("confidence_threshold", INFINITY), ("t_min", 0)]
    fine += [("seed", 2**64 - 1), ("stability_threshold", 2**40), ("t_max", np.float32(0.8))]
    for name, value in fine:
        model.generate([5], **QUICK | {name: value})


def test_a_number_that_no_float_holds(model):
    with raises(gesso.ArgumentError, "entropy_bound", "a float32 holds"):
        model.generate([5], **QUICK | {"entropy_bound": 10**400})


@pytest.mark.parametrize("prompts", [{"role": "user", "content": "hi"}, b"abc"])
def test_prompts_that_only_look_like_lists(model, prompts):
    """Iterating over these would take the keys, or the bytes, for prompts."""
    with raises(TypeError, "prompts: expected text, token ids or a list of them"):
        model.generate(prompts, **QUICK)


def test_unknown_option(model):
    for generate in (model.generate, model.session().generate):
        with raises(TypeError, "temperature"):
            generate([5], temperature=1.0)


# Sessions.


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_size(model, batch_size):
    with raises(gesso.ArgumentError, "batch_size", str(batch_size)):
        model.session(batch_size)


@pytest.fixture
def session(model):
    session = model.session(2)
    session.encode([[5], [6, 8]])
    yield session
    assert session.length == [1, 2]  # an error must not change the session
    assert np.isfinite(session.denoise([[1] * 8] * 2)).all()


@pytest.mark.parametrize("ids", [[[5]], [[5], [6], [7]], [[5], [369]], [[5], [-1]], [[5], [7]], [[5], [5] * 511], []])
def test_encode(session, ids):
    with raises(gesso.ArgumentError, "(ids|sequence 1)"):
        session.encode(ids)


@pytest.mark.parametrize("ids", [[5, 6], "ab", [[5], "a"], None, [[1.5], [5]], 5])
def test_encode_of_another_kind(session, ids):
    with raises(TypeError, "ids"):
        session.encode(ids)


def test_encode_nothing_into_an_empty_sequence(model):
    with raises(gesso.ArgumentError, "empty"):
        model.session().encode([])
    with raises(gesso.ArgumentError, "sequence 1"):
        model.session(2).encode([[5], []])


@pytest.mark.parametrize("canvas", [[[1] * 8], [[1] * 8] * 3, [[1] * 7] * 2, [[1] * 8, [369] * 8], [[1] * 8, [-1] * 8]])
def test_canvas_of_denoise(session, canvas):
    with raises(gesso.ArgumentError, "canvas"):
        session.denoise(canvas)


@pytest.mark.parametrize("shape", [(2, 8, 368), (1, 8, 369), (8, 369), (2, 7, 369), ()])
def test_shape_of_self_conditioning_logits(session, shape):
    with raises(gesso.ArgumentError, "self_conditioning_logits", "369"):
        session.denoise([[1] * 8] * 2, np.zeros(shape, np.float32))


@pytest.mark.parametrize("dtype", [complex, object, str])
def test_type_of_self_conditioning_logits(session, dtype):
    with raises(TypeError, "self_conditioning_logits"):
        session.denoise([[1] * 8] * 2, np.zeros((2, 8, 369), dtype))


def test_denoise_before_encode(model):
    with raises(gesso.ArgumentError, "encoded"):
        model.session().denoise([1] * 8)


def test_denoise_beyond_the_context(model):
    session = model.session()
    session.encode([5] * 505)
    with raises(gesso.ArgumentError, "context"):
        session.denoise([1] * 8)


@pytest.mark.parametrize("length", [-1, 3, [2, 2], [0, 0, 0], [], 2**70, [1, -1]])
def test_rewind(session, length):
    with raises(gesso.ArgumentError, "(rewind|length)"):
        session.rewind(length)


@pytest.mark.parametrize("length", [1.5, None, "a", [1.0, 1.0]])
def test_rewind_of_another_kind(session, length):
    with raises(TypeError, "length"):
        session.rewind(length)


def test_generate_with_another_batch_size(session):
    for prompts in ([[5]], "hello", [[5], [6], [7]]):
        with raises(gesso.ArgumentError, "prompts"):
            session.generate(prompts, **QUICK)
    with raises(gesso.ArgumentError, "empty"):
        session.model.session().generate(**QUICK)
