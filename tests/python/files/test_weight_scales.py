"""Weight scales: NVFP4 matrices get one, and the values of other types are multiplied with it."""

import numpy as np
import pytest

import gesso
from gesso import _native
from gesso.files.gguf_reader import read_gguf
from gesso.files.gguf_writer import write_gguf
from gesso.files.tensor import Tensor
from gesso.files.weight_scales import with_scales

EXPERTS, ROWS, COLUMNS = 3, 4, 64
DENSE, EXPERT, DOWN = "blk.0.attn_q", "blk.0.ffn_gate_up_exps", "blk.0.ffn_down_exps"


def vector(name, *values):
    return Tensor(name, "F32", (len(values),), np.array(values, np.float32))


def matrix(name, *shape):
    return Tensor(f"{name}.weight", "F32", shape, np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def model():
    """Returns a dense matrix, two stacks of experts and a router.

    The experts have values of very different sizes. Only ffn_down_exps and the router have a `.scale`.
    """
    sizes = np.array([1e-6, 1.0, 100.0], np.float32).reshape(-1, 1, 1)
    tensors = [matrix(DENSE, ROWS, COLUMNS), vector("blk.0.ffn_gate_inp.scale", *[1.0] * COLUMNS)]
    for name in (EXPERT, DOWN):
        values = matrix(name, EXPERTS, ROWS, COLUMNS).data * sizes
        tensors.append(Tensor(f"{name}.weight", "F32", values.shape, values))
    return [*tensors, vector(f"{DOWN}.scale", 1, 2, 4), matrix("blk.0.ffn_gate_inp", EXPERTS, COLUMNS)]


def types_of(tensors, dtype):
    return {x.name: dtype if x.name.endswith(".weight") and "inp" not in x.name else "F32" for x in tensors}


def requantised(path, tensors, types):
    """Writes the tensors to a file in these types and returns the tensors of the file, by name."""
    written, multipliers = with_scales(tensors, types)
    write_gguf(path, {}, written, types, multipliers=multipliers)
    return {tensor.name: tensor for tensor in read_gguf(path).tensors()}


def values(tensors, name):
    """Returns the values that a model computes with: the stored values times the scale."""
    scale = tensors.get(f"{name}.scale")
    stored = tensors[f"{name}.weight"].to_float32()
    return stored if scale is None else stored * scale.to_float32().reshape(-1, *[1] * (stored.ndim - 1))


def is_close(a, b, tolerance):
    """Whether a and b differ by at most `tolerance` times the largest value of the expert, or of the whole matrix."""
    largest = np.abs(b).max(axis=(-2, -1), keepdims=True)
    return (np.abs(a - b) <= tolerance * largest).all()


def by_name(tensors):
    return {tensor.name: tensor for tensor in tensors}


def test_nvfp4_gets_the_scale_that_uses_its_range(tmp_path):
    source = by_name(model())
    stored = requantised(tmp_path / "a.gguf", model(), types_of(model(), "NVFP4"))
    assert {name for name, tensor in stored.items() if tensor.dtype == "NVFP4"} == {
        f"{name}.weight" for name in (DENSE, EXPERT, DOWN)
    }
    assert [stored[f"{name}.scale"].shape for name in (DENSE, EXPERT, DOWN)] == [(1,), (3,), (3,)]
    largest = np.abs(source[f"{EXPERT}.weight"].data).max(axis=(1, 2))
    np.testing.assert_allclose(stored[f"{EXPERT}.scale"].data, largest / 2688, rtol=1e-6)
    for name in (DENSE, EXPERT, DOWN):
        # E2M1's widest gap is from 4 to 6. Half of it is 1/6 of the largest value. The block scale adds up to 1/16.
        assert is_close(values(stored, name), values(source, name), 1 / 6 + 1 / 16)


def test_the_router_and_what_keeps_its_type_are_left_alone(tmp_path):
    first = list(requantised(tmp_path / "a.gguf", model(), types_of(model(), "NVFP4")).values())
    again, multipliers = with_scales(first, {tensor.name: tensor.dtype for tensor in first})
    assert (again, multipliers) == (first, {})
    written, _ = with_scales(model(), types_of(model(), "F16"))
    assert [tensor.name for tensor in written] == [tensor.name for tensor in model()]


def test_a_scale_is_folded_into_another_type(tmp_path):
    nvfp4 = requantised(tmp_path / "a.gguf", model(), types_of(model(), "NVFP4"))
    bf16 = requantised(tmp_path / "b.gguf", list(nvfp4.values()), types_of(nvfp4.values(), "BF16"))
    assert f"{DENSE}.scale" not in bf16
    assert f"{EXPERT}.scale" not in bf16
    assert f"{DENSE}.weight" in bf16
    for name in (DENSE, EXPERT):
        assert is_close(values(bf16, name), values(nvfp4, name), 2**-8)


def test_the_scale_of_the_experts_outputs_stays_one_factor(tmp_path):
    nvfp4 = requantised(tmp_path / "a.gguf", model(), types_of(model(), "NVFP4"))
    bf16 = requantised(tmp_path / "b.gguf", list(nvfp4.values()), types_of(nvfp4.values(), "BF16"))
    assert (bf16[f"{DOWN}.scale"].data == nvfp4[f"{DOWN}.scale"].data).all()
    assert is_close(values(bf16, DOWN), values(nvfp4, DOWN), 2**-8)


def test_a_matrix_of_zeros_has_a_scale_too(tmp_path):
    zeros = Tensor(f"{DENSE}.weight", "F32", (ROWS, COLUMNS), np.zeros((ROWS, COLUMNS), np.float32))
    stored = requantised(tmp_path / "a.gguf", [zeros], {zeros.name: "NVFP4"})
    assert stored[f"{DENSE}.scale"].data.tolist() == [1]
    assert not values(stored, DENSE).any()


def test_input_scales_go_with_a_weight_that_keeps_its_type():
    tensors = [matrix(DENSE, ROWS, COLUMNS), vector(f"{DENSE}.scale", 2), vector(f"{DENSE}.input_scale", 3)]
    assert with_scales(tensors, {})[0] == tensors
    written, multipliers = with_scales(tensors, {f"{DENSE}.weight": "F16"})
    assert [tensor.name for tensor in written] == [f"{DENSE}.weight"]
    assert multipliers[f"{DENSE}.weight"]().tolist() == [2]


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_the_largest_value_is_found_in_any_type(dtype):
    tensor = matrix(DENSE, ROWS, COLUMNS)
    source = Tensor(tensor.name, dtype, tensor.shape, gesso.quantize(tensor.data, dtype))
    (_, scale), _ = with_scales([source], {source.name: "NVFP4"})
    assert scale.data == np.abs(_native.dequantize(dtype, source.data.reshape(-1).view(np.uint8))).max() / 2688
