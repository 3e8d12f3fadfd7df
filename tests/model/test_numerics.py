"""Weights that are NaN or infinite. Every one that takes part ends a step in an error that names where it is."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest

import gesso
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import matrices_as, write_gguf
from gesso.files.tensor import Tensor
from python.tiny_model import Sizes, model_metadata, random_tensors

SIZES = Sizes(vocab_size=96)
PROMPT = [5, 6, 7]
NAN, INF = float("nan"), float("inf")
LAYER = 1  # a sliding layer, which has all kinds of tensors

# Where the kinds of tensors break first. What only the text before the canvas shows is told of its encoding.
IN_THE_TEXT = "when the text before the canvas was encoded"
PLACES = {
    "token_embd.weight": "the head",  # the row of a token that is in neither prompt nor canvas
    "output.weight": "the head",
    "output_norm.weight": "the final norm",
    "self_cond_pre_norm.weight": "self-conditioning",
    "self_cond_gate.weight": "self-conditioning",
    "self_cond_up.weight": "self-conditioning",
    "self_cond_down.weight": "self-conditioning",
    "enc_layer_output_scale.weight": f"layer {LAYER}, {IN_THE_TEXT}",
}


# The emulated GPU is slow, so it gets those that go through kernels of their own. The others share them.
ON_A_GPU = {
    "token_embd.weight", "output.weight", "output_norm.weight", "self_cond_down.weight", "rope_freqs.weight",
    "attn_q.weight", "attn_k.weight", "attn_v.weight", "ffn_down.weight", "ffn_gate_inp.weight",
    "ffn_gate_up_exps.weight", "ffn_down_exps.scale", "enc_layer_output_scale.weight",
}  # fmt: skip


@cache
def tensors():
    kept = {tensor.name: tensor for tensor in random_tensors(SIZES, 0)}
    rng = np.random.default_rng(1)
    head = rng.standard_normal((SIZES.vocab_size, SIZES.hidden_size), np.float32) / 6
    return kept, Tensor("output.weight", "F32", head.shape, head)


def names():
    layers, head = tensors()
    all_names = [*layers, head.name]
    return [name for name in all_names if not name.startswith("blk.") or name.startswith(f"blk.{LAYER}.")]


def broken_model(path, name, value, place=None, *, has_head=False, sizes=SIZES, changes=()):
    """Writes a model with broken numbers in the tensor `name`, in the middle or at the index `place`.

    has_head: the head is a tensor of its own. changes: other tensors that are replaced, pairs of a name and values.
    """
    kept, head = tensors()
    chosen = {**kept, head.name: head} if has_head or name == head.name else dict(kept)
    data = chosen[name].data.copy()
    if place is None:
        data.reshape(-1)[data.size // 2] = value
    else:
        data[place] = value
    for changed, values in ((name, data), *changes):
        chosen[changed] = Tensor(changed, "F32", values.shape, values)
    write_gguf(path, model_metadata(sizes), chosen.values())
    return path


@pytest.mark.parametrize("value", [NAN, INF, -INF], ids=str)
@pytest.mark.parametrize("name", names())
def test_every_kind_of_tensor(tmp_path, device, load, name, value):
    kind = name.removeprefix(f"blk.{LAYER}.")
    if device == "cuda" and (kind not in ON_A_GPU or value == -INF):
        pytest.skip("the emulated GPU is slow, and other tensors take the same way")
    if name == "rope_freqs.weight" and not np.isnan(value):
        return  # a frequency divided by infinity is 0: the pair does not turn
    model = load(broken_model(tmp_path / "broken.gguf", name, value))
    session = model.session()
    canvas = [8, 9, 10, 11, 12, 13, 14, 15]  # not the row of token_embd that is broken
    with pytest.raises(gesso.NumericsError) as caught:
        session.generate(PROMPT, canvas=canvas, max_new_tokens=8, max_denoising_steps=4, confidence_threshold=0)
    place = "layer 2" if name == "rope_freqs.weight" else PLACES.get(kind, f"layer {LAYER}")
    assert caught.value.place == place
    assert caught.value.layer == (int(place.split()[1].strip(",")) if place.startswith("layer") else None)
    assert caught.value.step == (1 if place == "self-conditioning" else 0)
    assert session.ids == [[]]


def test_the_message(tmp_path, load):
    """It says which sequence, canvas and step, where, and what to do."""
    model = load(broken_model(tmp_path / "broken.gguf", f"blk.{LAYER}.ffn_down.weight", NAN))
    expected = (
        "sequence 0, canvas 0, step 0: numbers are not finite, first in layer 1. A weight is NaN or infinite"
        " (`gesso inspect --check MODEL` finds it), or the numbers grow too large"
    )
    with pytest.raises(gesso.NumericsError, match=f"^{re.escape(expected)}$"):
        model.generate(PROMPT, max_new_tokens=8)
    with pytest.raises(gesso.NumericsError, match=f"^{re.escape(expected)}$"):
        session = model.session()
        session.encode(PROMPT)
        session.denoise(range(8))


@pytest.mark.parametrize("token", [PROMPT[1], 9, 40])
def test_the_embedding_of_one_token(tmp_path, load, token):
    """It is named where the token is: in the prompt, in the canvas, or only among the tokens that could be written."""
    model = load(broken_model(tmp_path / "broken.gguf", "token_embd.weight", INF, (token, 3)))
    place = {PROMPT[1]: f"the embedding, {IN_THE_TEXT}", 9: "the embedding", 40: "the head"}[token]
    with pytest.raises(gesso.NumericsError) as caught:
        model.generate(PROMPT, canvas=range(8, 16), max_new_tokens=8)
    assert (caught.value.place, caught.value.layer) == (place, None)


def test_the_soft_embedding(tmp_path, load):
    """With a head of its own the logits are finite, but not the mean of the embeddings. So the same step tells."""
    path = broken_model(tmp_path / "broken.gguf", "token_embd.weight", NAN, (slice(16, 96), 3), has_head=True)
    with pytest.raises(gesso.NumericsError) as caught:
        load(path).generate(PROMPT, canvas=range(8, 16), max_new_tokens=8, max_denoising_steps=4)
    assert (caught.value.place, caught.value.step) == ("the soft embedding", 0)


def test_one_sequence_of_a_batch(tmp_path, load):
    """The other sequence is finite, and the session stays as it was."""
    model = load(broken_model(tmp_path / "broken.gguf", "token_embd.weight", NAN, (50, 0), has_head=True))
    session = model.session(2)
    session.encode([PROMPT, PROMPT])
    canvas = [range(8, 16)] * 2
    before = session.denoise(canvas)
    session.encode([[20], [50]])
    for _ in range(2):
        with pytest.raises(gesso.NumericsError) as caught:
            session.denoise(canvas)
        assert (caught.value.sequence, caught.value.step) == (1, 0)
        assert caught.value.place == f"the embedding, {IN_THE_TEXT}"
    with pytest.raises(gesso.NumericsError):
        session.generate([[21], [22]], canvas=canvas, max_new_tokens=8)
    assert session.ids == [[*PROMPT, 20], [*PROMPT, 50]]
    session.rewind(len(PROMPT))
    np.testing.assert_array_equal(session.denoise(canvas), before)


def test_logits_that_the_caller_gives(tmp_path, load):
    model = load(broken_model(tmp_path / "good.gguf", "output_norm.weight", 1.0))
    session = model.session()
    session.encode(PROMPT)
    logits = session.denoise(range(8))
    logits[0, 2, 5] = NAN
    with pytest.raises(gesso.NumericsError, match="first in the soft embedding"):
        session.denoise(range(8), logits)


def test_an_expert_that_is_never_chosen(tmp_path, load):
    """No number is multiplied with its weights, in the reference neither. So nothing is wrong."""
    sizes = Sizes(vocab_size=96, top_k_experts=1)
    router = np.zeros((4, 32), np.float32)
    router[0] = np.random.default_rng(2).standard_normal(32)
    router[1] = -router[0]  # one of these two scores is above 0, the score of experts 2 and 3
    name = f"blk.{LAYER}.ffn_down_exps.weight"
    options = {"sizes": sizes, "changes": [(f"blk.{LAYER}.ffn_gate_inp.weight", router)]}
    path = broken_model(tmp_path / "never.gguf", name, INF, (3,), **options)
    good = broken_model(tmp_path / "good.gguf", name, 0.0, (3,), **options)
    first, second = (load(x).generate(PROMPT, max_new_tokens=8).sequences for x in (path, good))
    assert first == second
    with pytest.raises(gesso.NumericsError, match=f"first in layer {LAYER}"):
        load(broken_model(tmp_path / "x.gguf", name, INF, (slice(0, 2),), **options)).generate(PROMPT)


@pytest.mark.parametrize("score", [0, 3])
def test_a_score_that_is_not_a_number(tmp_path, load, score):
    """A router that compares with NaN would never choose the expert, and hide it."""
    path = broken_model(tmp_path / "broken.gguf", f"blk.{LAYER}.ffn_gate_inp.weight", NAN, (score,))
    with pytest.raises(gesso.NumericsError, match=f"first in layer {LAYER}"):
        load(path).generate(PROMPT, max_new_tokens=8)


@pytest.mark.parametrize("bits", [0x7E00, 0x7C00, 0xFC00], ids=["nan", "inf", "-inf"])
@pytest.mark.parametrize("dtype", ["Q8_0", "Q4_0", "Q4_1", "F16"])
def test_scales_of_blocks(tmp_path, load, dtype, bits):
    """Half precision scales of blocks that hold integers, with activations of 8 bits, too."""
    path = tmp_path / "broken.gguf"
    name = f"blk.{LAYER}.attn_output.weight"
    write_gguf(path, model_metadata(SIZES), tensors()[0].values(), matrices_as(dtype))
    (tensor,) = (x for x in read_gguf(path).checkpoint.tensors if x.name == name)
    data = bytearray(path.read_bytes())
    data[tensor.offset : tensor.offset + 2] = bits.to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.raises(gesso.NumericsError, match=f"first in layer {LAYER}"):
        load(path).generate(PROMPT, max_new_tokens=8)


def test_numbers_that_grow_too_large(tmp_path, load):
    """All weights are finite, but a product is not."""
    path = broken_model(tmp_path / "x.gguf", f"blk.{LAYER}.attn_norm.weight", 3e38, (slice(None),))
    with pytest.raises(gesso.NumericsError, match=f"first in layer {LAYER}"):
        load(path).generate(PROMPT, max_new_tokens=8)
