"""Measures how far two models differ, in each tensor and in what they predict. The first model is the reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.files.callback import plain_callback
from gesso.files.gguf_reader import read_gguf
from gesso.files.hf.folder import read_checkpoint
from gesso.files.locate import locate
from gesso.files.tensor import Tensor, release_pages, stored_bytes, tensor_types
from gesso.model import Model
from gesso.session import Session

CHUNK_ELEMENTS = 1 << 22  # at most so many elements of a tensor are decoded at a time
CHUNK_LOGITS = 1 << 21  # about so many logits are converted to float64 at a time

Logits = npt.NDArray[np.float32]  # [C, V]


@dataclass(frozen=True)
class Weight:
    """The values that a model multiplies with: a tensor's values, times its `.scale` if it has one.

    A weight may also be one half of a tensor in which the gate and up projections of experts are fused.
    """

    tensor: Tensor
    scale: npt.NDArray[np.float32] | None  # [1], or [experts] for a tensor of rank 3
    half: int | None = None  # 0 for the gate half, 1 for the up half, None for the whole tensor

    @property
    def shape(self) -> tuple[int, ...]:
        if self.half is None:
            return self.tensor.shape
        *outer, rows, columns = self.tensor.shape
        return (*outer, rows // 2, columns)

    @property
    def num_bytes(self) -> int:
        return stored_bytes(self.tensor.dtype, self.shape)

    def chunks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yields the values in order, as float32 arrays. Weights of the same shape have chunks of the same sizes."""
        columns = self.shape[-1]
        rows = self.shape[-2] if len(self.shape) > 1 else 1
        experts = math.prod(self.shape[:-2])
        data = np.ascontiguousarray(self.tensor.data).reshape(-1).view(np.uint8).reshape(experts, -1)
        row_bytes = stored_bytes(self.tensor.dtype, (columns,))
        first_row = (self.half or 0) * rows
        step = max(1, CHUNK_ELEMENTS // columns)
        for expert in range(experts):
            for row in range(first_row, first_row + rows, step):
                end = min(row + step, first_row + rows)
                stored = data[expert, row * row_bytes : end * row_bytes]
                values = _native.dequantize(self.tensor.dtype, stored)
                if self.scale is not None:
                    values *= self.scale[expert if len(self.scale) > 1 else 0]
                yield values
                release_pages(stored)


@dataclass(frozen=True)
class TensorError:
    """How far a tensor of model B is from A's tensor of this name. The errors are None if one cannot be decoded."""

    name: str
    shape: tuple[int, ...]
    types: tuple[str, str]  # in A and in B
    num_bytes: tuple[int, int]
    relative_rms: float | None  # sqrt(sum (b - a)^2 / sum a^2); infinite if a is all zeros and b is not
    max_abs: float | None  # the largest |b - a|
    sum_squares: tuple[float, float]  # sum (b - a)^2 and sum a^2


@dataclass(frozen=True)
class TensorComparison:
    errors: list[TensorError]  # of the tensors that both models have with the same shape
    only_in_a: list[str]
    only_in_b: list[str]
    other_shape: list[tuple[str, tuple[int, ...], tuple[int, ...]]]  # name, shape in A, shape in B


@dataclass(frozen=True)
class LogitComparison:
    """How far the predictions of two models differ, over all positions of the same canvases."""

    num_positions: int
    mean_kl: float  # KL(A || B) in nats
    max_kl: float
    argmax_agreement: float  # the share of positions where both models have the same argmax


def read_tensors(path: str, *, mmap: bool = True) -> Iterable[Tensor]:
    """The tensors of a .gguf file or a Hugging Face folder."""
    source = locate(path)
    return (read_checkpoint if source.is_dir() else read_gguf)(source, mmap=mmap).tensors()


def compare_tensors(
    a: Iterable[Tensor], b: Iterable[Tensor], on_progress: Callable[[int, int, str], object] | None = None
) -> TensorComparison:
    """Compares the tensors of model B with those of A. At most 4 million values of a tensor are decoded at a time.

    A weight scale counts as a part of its matrix and is not compared on its own. An `.input_scale` is not compared,
    because gesso does not compute with it. If the gate and up projections of experts are fused in one of the models
    only, the halves are compared.
    on_progress(done_bytes, total_bytes, name) is called after each tensor, with bytes of A.
    """
    on_progress = plain_callback("on_progress", on_progress)
    weights_a, weights_b = _split_as_other(read_weights(a), read_weights(b))
    weights_b, weights_a = _split_as_other(weights_b, weights_a)
    common = [name for name in weights_a if name in weights_b]
    fitting = [name for name in common if weights_a[name].shape == weights_b[name].shape]
    total, done, errors = sum(weights_a[name].num_bytes for name in fitting), 0, []
    for name in fitting:
        errors.append(_compare(name, weights_a[name], weights_b[name]))
        done += weights_a[name].num_bytes
        if on_progress:
            on_progress(done, total, name)
    return TensorComparison(
        errors,
        [name for name in weights_a if name not in weights_b],
        [name for name in weights_b if name not in weights_a],
        [(name, weights_a[name].shape, weights_b[name].shape) for name in common if name not in fitting],
    )


def read_weights(tensors: Iterable[Tensor]) -> dict[str, Weight]:
    """Maps names to weights. A weight scale has no entry of its own, because it is in the entry of its matrix."""
    by_name = {tensor.name: tensor for tensor in tensors}
    weights = {}
    for name, tensor in by_name.items():
        stem, _, kind = name.rpartition(".")
        # The router's `.scale` is no weight scale, but a vector of the model.
        is_own = f"{stem}.weight" not in by_name or stem.endswith("ffn_gate_inp")
        if kind == "weight" or is_own:
            scale = by_name.get(f"{stem}.scale") if kind == "weight" and not stem.endswith("ffn_gate_inp") else None
            weights[name] = Weight(tensor, _factors(scale, tensor) if scale else None)
    return weights


def _factors(scale: Tensor, matrix: Tensor) -> npt.NDArray[np.float32]:
    experts = math.prod(matrix.shape[:-2])
    if scale.num_elements not in (1, experts):
        expected = " or ".join(map(str, sorted({1, experts})))
        raise ValueError(f"{scale.name}: expected {expected} values, got {scale.num_elements}")
    return scale.to_float32().reshape(-1)


def _split_as_other(fused: dict[str, Weight], other: dict[str, Weight]) -> tuple[dict[str, Weight], dict[str, Weight]]:
    """Splits fused gate and up projections of `fused` where `other` has them as two tensors.

    Returns the result, and `other` unchanged.
    """
    result: dict[str, Weight] = {}
    for name, weight in fused.items():
        parts = [name.replace("ffn_gate_up_exps", part) for part in ("ffn_gate_exps", "ffn_up_exps")]
        if parts[0] != name and name not in other and all(part in other for part in parts):
            result |= {part: Weight(weight.tensor, weight.scale, half) for half, part in enumerate(parts)}
        else:
            result[name] = weight
    return result, other


def _compare(name: str, a: Weight, b: Weight) -> TensorError:
    types, num_bytes = (a.tensor.dtype, b.tensor.dtype), (a.num_bytes, b.num_bytes)
    if not all(tensor_types()[dtype].can_read for dtype in types):
        return TensorError(name, a.shape, types, num_bytes, None, None, (0.0, 0.0))
    error, reference, largest = 0.0, 0.0, 0.0
    for values_a, values_b in zip(a.chunks(), b.chunks(), strict=True):
        with np.errstate(invalid="ignore"):
            difference = np.where(values_a == values_b, 0, values_b - values_a).astype(np.float64)
        error += float(difference @ difference)
        reference += float(np.dot(values_a.astype(np.float64), values_a))
        largest = float(np.maximum(largest, np.abs(difference).max()))  # np.maximum keeps a NaN, max() may lose it
    return TensorError(name, a.shape, types, num_bytes, relative_rms(error, reference), largest, (error, reference))


def relative_rms(sum_squared_error: float, sum_squares: float) -> float:
    if sum_squares == 0:
        return 0.0 if sum_squared_error == 0 else math.inf
    return math.sqrt(sum_squared_error / sum_squares)


# Logits


def check_comparable(a: Model, b: Model) -> None:
    """Raises ValueError if the models differ in the size of their vocabulary or canvas, or in a token."""
    for name in ("vocab_size", "canvas_length"):
        values = [getattr(model.config, name) for model in (a, b)]
        if values[0] != values[1]:
            raise ValueError(f"{name}: expected the same in both models, got {values[0]} and {values[1]}")
    if a.tokenizer is None or b.tokenizer is None:
        return
    for i in range(a.tokenizer.vocab_size):
        tokens = [model.tokenizer.native.token(i) for model in (a, b) if model.tokenizer]
        if tokens[0] != tokens[1]:
            raise ValueError(f"token {i}: expected the same in both models, got {tokens[0]!r} and {tokens[1]!r}")


def random_prompt(model: Model, rng: np.random.Generator, length: int) -> list[int]:
    """Draws random token ids. Ids that a prompt may not have are left out, and so are end tokens and padding."""
    refused = {*model.config.placeholder_token_ids, *model.config.end_token_ids, model.config.pad_token_id}
    allowed = np.setdiff1d(np.arange(model.config.vocab_size), sorted(refused))
    ids: list[int] = rng.choice(allowed, length).tolist()
    return ids


def compare_logits(
    a: Model,
    b: Model,
    prompts: Sequence[Sequence[int]],
    seed: int = 0,
    on_progress: Callable[[int, int], object] | None = None,
) -> LogitComparison:
    """Compares what two models predict behind each prompt, at temperature 1. Both get the same inputs.

    There are two denoising passes for each prompt. The first sees a canvas of random ids, as a generation begins with.
    In the second, a random share of the positions has A's predictions instead, and both models are conditioned on A's
    logits of the first pass; so it is like a later step of a generation.
    """
    on_progress = plain_callback("on_progress", on_progress)
    check_comparable(a, b)
    rng = np.random.default_rng(seed)
    size, vocab_size = a.config.canvas_length, a.config.vocab_size
    kl: list[float] = []
    agree: list[bool] = []
    for done, prompt in enumerate(prompts, 1):
        sessions = {"A": a.session(), "B": b.session()}
        for session in sessions.values():
            session.encode(list(prompt))
        canvas = rng.integers(vocab_size, size=size)
        logits_a, logits_b = (_denoise(named, canvas) for named in sessions.items())
        _add_rows(logits_a[0], logits_b[0], kl, agree)
        canvas = np.where(rng.random(size) < rng.random(), logits_a[0].argmax(axis=1), canvas)
        logits_a /= np.float32(a.config.t_max)
        logits_a, logits_b = (_denoise(named, canvas, logits_a) for named in sessions.items())
        _add_rows(logits_a[0], logits_b[0], kl, agree)
        if on_progress:
            on_progress(done, len(prompts))
    return LogitComparison(len(kl), float(np.mean(kl)), float(np.max(kl)), float(np.mean(agree)))


def _denoise(
    named: tuple[str, Session], canvas: npt.NDArray[np.int64], logits: Logits | None = None
) -> npt.NDArray[np.float32]:
    name, session = named
    try:
        return session.denoise(canvas, logits)
    except _native.NumericsError as error:
        error.args = (f"model {name}: {error}",)
        raise


def _add_rows(a: Logits, b: Logits, kl: list[float], agree: list[bool]) -> None:
    """Appends KL(a || b), and whether the argmax is equal, for each row of two logits [C, V]."""
    agree += (a.argmax(axis=1) == b.argmax(axis=1)).tolist()
    step = max(1, CHUNK_LOGITS // a.shape[1])
    for row in range(0, len(a), step):
        log_a, log_b = (_log_softmax(x[row : row + step].astype(np.float64)) for x in (a, b))
        kl += (np.exp(log_a) * (log_a - log_b)).sum(axis=1).tolist()


def _log_softmax(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    z -= z.max(axis=1, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z
