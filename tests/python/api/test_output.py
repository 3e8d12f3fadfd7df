"""What a generation gives back comes as arrays, and what the session holds is not copied for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gesso
from python.tiny_model import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return gesso.load(tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf"))


def test_canvases_are_arrays(model):
    out = model.generate([[5], [6, 8]], max_new_tokens=24, seed=[1, 2], end_token_ids=[])
    for canvases, ids, steps in zip(out.canvases, out.sequences, out.denoising_steps, strict=True):
        assert canvases.dtype == np.int32 and canvases.shape == (3, 8) and canvases.flags.c_contiguous
        assert canvases.reshape(-1).tolist() == ids and len(steps) == 3
    assert out.canvases[0] is out.canvases[0]


def test_events_have_arrays(model):
    steps, canvases = [], []
    model.generate([5], max_new_tokens=8, max_denoising_steps=2, on_step=steps.append, on_canvas=canvases.append)
    assert all(type(event) is gesso.StepEvent for event in steps)
    assert all(type(event) is gesso.CanvasEvent for event in canvases)
    types = [(event.argmax.dtype, event.accepted.dtype, event.entropies.dtype) for event in steps]
    assert types == [(np.int32, np.bool_, np.float32)] * 2
    assert canvases[0].ids.dtype == np.int32


@given(st.data())
def test_the_last_of_some_ids(model, data):
    """It is looked for in all that stands in front of the new tokens, also in what an earlier call encoded."""
    ids = data.draw(st.lists(st.integers(8, 14), min_size=1, max_size=12))
    wanted = data.draw(st.lists(st.integers(8, 14)))
    num_encoded = data.draw(st.integers(0, len(ids) - 1))
    session = model.session()
    if num_encoded:
        session.encode(ids[:num_encoded])
    options = gesso._native.GenerationOptions({"max_new_tokens": 8, "max_denoising_steps": 1})
    (result,) = session._native.generate([ids[num_encoded:]], options).results
    assert result.last_before(wanted) == next((i for i in reversed(ids) if i in wanted), None)
    assert session.ids == [ids + result.ids]
