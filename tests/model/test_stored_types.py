"""The bits of the logits are the same whether matrices are stored in some type or as the float32 values they mean."""

from __future__ import annotations

import numpy as np
import pytest

from gesso import _native
from gesso.files.presets import stays_float32
from gesso.model import Model
from python.tiny_model import Sizes, model_metadata, random_tensors
from reference.stored import SIZES, random_weight, values_of

# The length of every row is a multiple of 256, the largest block.
MODEL = Sizes(
    hidden_size=256,
    intermediate_size=256,
    moe_intermediate_size=256,
    head_dim=64,
    global_head_dim=64,
    layer_types=("sliding_attention", "full_attention"),
)
PROMPT, CANVAS = [2, 9, 30, 31, 7], [5, 60, 61, 8, 100, 11, 12, 200]
UNFUSED = ("ffn_gate_exps", "ffn_up_exps")


def stored_tensors(name, unfused):
    """(tensor name, stored) of a random model with matrices of type `name`. `unfused`: gate and up of experts are
    separate."""
    rng = np.random.default_rng(1)
    for tensor in random_tensors(MODEL, seed=0):
        if stays_float32(tensor.name, tensor.shape):
            yield tensor.name, ("F32", list(tensor.shape), tensor.data.view(np.uint8).reshape(-1))
        elif unfused and "ffn_gate_up_exps" in tensor.name:
            shape = (tensor.shape[0], tensor.shape[1] // 2, tensor.shape[2])
            for part in UNFUSED:
                yield tensor.name.replace("ffn_gate_up_exps", part), random_weight(rng, name, shape)
        else:
            yield tensor.name, random_weight(rng, name, tensor.shape)


def scales_of(tensors, per_expert):
    """A factor for each matrix that may have one, or a factor for each expert. The factors are powers of two, so that
    multiplying the weights or the results gives the same bits."""
    rng = np.random.default_rng(2)
    for name, (_, shape, _) in tensors:
        # ffn_gate_inp.scale and ffn_down_exps.scale belong to the router, and the embedding has no factor.
        if len(shape) > 1 and not any(part in name for part in ("token_embd", "ffn_gate_inp", "ffn_down_exps")):
            size = shape[0] if per_expert and len(shape) == 3 else 1
            yield name, np.exp2(rng.integers(-2, 2, size)).astype(np.float32)


def logits(tensors):
    """The logits of a first step, and of a step that is conditioned on it."""
    checkpoint = _native.Checkpoint()
    for key, value in model_metadata(MODEL).items():
        checkpoint.set(key, value)
    for name, (kind, shape, data) in tensors:
        checkpoint.add_tensor(name, kind, shape, data, data)
    session = Model(_native.Model(checkpoint, "cpu", 2, "f32")).session()
    session.encode(PROMPT)
    first = session.denoise(CANVAS)
    return np.stack([first, session.denoise(CANVAS, first)])


def expanded(tensors, scales):
    """The same tensors in float32, multiplied by their factors."""
    for name, stored in tensors:
        values = values_of(stored)
        if name in scales:
            values = values * scales[name].reshape((-1,) + (1,) * (values.ndim - 1))
        yield name, ("F32", list(values.shape), np.ascontiguousarray(values).view(np.uint8).reshape(-1))


@pytest.mark.parametrize("name", SIZES)
def test_every_type(name):
    tensors = list(stored_tensors(name, unfused=False))
    got = logits(tensors)
    assert np.isfinite(got).all()
    assert np.ptp(got) > 1e-3
    np.testing.assert_array_equal(got, logits(expanded(tensors, {})))


@pytest.mark.parametrize("unfused", [False, True])
@pytest.mark.parametrize("per_expert", [False, True])
@pytest.mark.parametrize("name", ["NVFP4", "F32"])
def test_scale_tensors(name, per_expert, unfused):
    """`<tensor>.scale` is a factor per matrix, or per expert, as in files with NVFP4."""
    tensors = list(stored_tensors(name, unfused))
    scales = dict(scales_of(tensors, per_expert))
    assert any(scale.size > 1 for scale in scales.values()) == per_expert
    extra = [
        (f"{name.removesuffix('.weight')}.scale", ("F32", [s.size], s.view(np.uint8))) for name, s in scales.items()
    ]
    hints = [(f"{name.removesuffix('.weight')}.input_scale", ("F32", [1], np.zeros(4, np.uint8))) for name in scales]
    got = logits(tensors + extra + hints)
    assert not np.array_equal(got, logits(tensors))
    np.testing.assert_array_equal(got, logits(expanded(tensors, scales)))
