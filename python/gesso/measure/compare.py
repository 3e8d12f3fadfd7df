"""How far two models are apart: per tensor, and in what they predict. The first one is the reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gesso import _native
from gesso.files.tensor import Tensor, release_pages, stored_bytes, tensor_types
from gesso.model import Model

CHUNK_ELEMENTS = 1 << 22  # of a tensor, decoded at a time
CHUNK_LOGITS = 1 << 21  # in float64 at a time


@dataclass(frozen=True)
class Weight:
    """What a model multiplies with: the tensor's values, times its `.scale` if it has one, or a half of its rows."""

    tensor: Tensor
    scale: np.ndarray | None  # float32 [1], or [experts] of a tensor of rank 3
    half: int | None = None  # of fused gate and up projections: 0 or 1

    @property
    def shape(self) -> tuple[int, ...]:
        if self.half is None:
            return self.tensor.shape
        *outer, rows, columns = self.tensor.shape
        return (*outer, rows // 2, columns)

    @property
    def num_bytes(self) -> int:
        return stored_bytes(self.tensor.dtype, self.shape)

    def chunks(self) -> Iterator[np.ndarray]:
        """The values in order, as float32, some at a time; equal shapes have equal chunks."""
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
    """How far a tensor of B is from the same one of A. The errors are None if one of them cannot be decoded."""

    name: str
    shape: tuple[int, ...]
    types: tuple[str, str]  # in A and in B
    num_bytes: tuple[int, int]
    relative_rms: float | None  # sqrt(sum (b - a)^2 / sum a^2); infinite where only b is not zero
    max_abs: float | None
    sum_squares: tuple[float, float]  # of b - a, and of a


@dataclass(frozen=True)
class TensorComparison:
    errors: list[TensorError]  # of what both have
    only_in_a: list[str]
    only_in_b: list[str]
    other_shape: list[tuple[str, tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True)
class LogitComparison:
    """What two models predict for the same canvases, over all their positions."""

    num_positions: int
    mean_kl: float  # KL(A || B) in nats
    max_kl: float
    argmax_agreement: float  # share of positions


def compare_tensors(
    a: Iterable[Tensor], b: Iterable[Tensor], on_progress: Callable[[int, int, str], None] | None = None
) -> TensorComparison:
    """The errors of B's tensors against A's. Only a few MB of each tensor are decoded at a time.

    A `.scale` counts as a part of its matrix and is not listed on its own, nor is an `.input_scale`, with which gesso
    does not compute. Experts whose gate and up projections are fused in one file only are compared half by half.
    on_progress(done_bytes, total_bytes, name): bytes of A.
    """
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
    """Name -> weight; scales are in their weights."""
    by_name = {tensor.name: tensor for tensor in tensors}
    weights = {}
    for name, tensor in by_name.items():
        stem, _, kind = name.rpartition(".")
        # The router's `.scale` is a vector of its own.
        is_own = f"{stem}.weight" not in by_name or stem.endswith("ffn_gate_inp")
        if kind == "weight" or is_own:
            scale = by_name.get(f"{stem}.scale") if kind == "weight" and not stem.endswith("ffn_gate_inp") else None
            weights[name] = Weight(tensor, _factors(scale, tensor) if scale else None)
    return weights


def _factors(scale: Tensor, matrix: Tensor) -> np.ndarray:
    experts = math.prod(matrix.shape[:-2])
    if scale.num_elements not in (1, experts):
        expected = " or ".join(map(str, sorted({1, experts})))
        raise ValueError(f"{scale.name}: expected {expected} values, got {scale.num_elements}")
    return scale.to_float32().reshape(-1)


def _split_as_other(fused: dict[str, Weight], other: dict[str, Weight]) -> tuple[dict[str, Weight], dict[str, Weight]]:
    """`fused` with gate and up in two where `other` has them so; and `other`."""
    result = {}
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
        largest = float(np.maximum(largest, np.abs(difference).max()))  # keeps NaN
    return TensorError(name, a.shape, types, num_bytes, relative_rms(error, reference), largest, (error, reference))


def relative_rms(sum_squared_error: float, sum_squares: float) -> float:
    if sum_squares == 0:
        return 0.0 if sum_squared_error == 0 else math.inf
    return math.sqrt(sum_squared_error / sum_squares)


# Logits


def check_comparable(a: Model, b: Model) -> None:
    """ValueError unless the two predict the same tokens for the same positions."""
    for name in ("vocab_size", "canvas_length"):
        values = [getattr(model.config, name) for model in (a, b)]
        if values[0] != values[1]:
            raise ValueError(f"{name}: {values[0]} and {values[1]}")


def random_prompt(model: Model, rng: np.random.Generator, length: int) -> list[int]:
    """Random token ids that a prompt may hold."""
    refused = {*model.config.placeholder_token_ids, *model.config.end_token_ids, model.config.pad_token_id}
    allowed = np.setdiff1d(np.arange(model.config.vocab_size), sorted(refused))
    return rng.choice(allowed, length).tolist()


def compare_logits(
    a: Model,
    b: Model,
    prompts: Sequence[Sequence[int]],
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> LogitComparison:
    """What the models' denoising passes predict behind each prompt, given the same inputs, at temperature 1.

    Two passes for each prompt: over a canvas of random ids as a generation begins with; and over one in which a random
    share of positions has A's predictions instead, conditioned on A's logits of the first pass, as in later steps.
    """
    check_comparable(a, b)
    rng = np.random.default_rng(seed)
    size, vocab_size = a.config.canvas_length, a.config.vocab_size
    kl, agree = [], []
    for done, prompt in enumerate(prompts, 1):
        sessions = [a.session(), b.session()]
        for session in sessions:
            session.encode(list(prompt))
        canvas = rng.integers(vocab_size, size=size)
        logits_a, logits_b = (session.denoise(canvas) for session in sessions)
        _add_rows(logits_a[0], logits_b[0], kl, agree)
        canvas = np.where(rng.random(size) < rng.random(), logits_a[0].argmax(axis=1), canvas)
        logits_a /= np.float32(a.config.t_max)
        logits_a, logits_b = (session.denoise(canvas, logits_a) for session in sessions)
        _add_rows(logits_a[0], logits_b[0], kl, agree)
        if on_progress:
            on_progress(done, len(prompts))
    return LogitComparison(len(kl), float(np.mean(kl)), float(np.max(kl)), float(np.mean(agree)))


def _add_rows(a: np.ndarray, b: np.ndarray, kl: list[float], agree: list[bool]) -> None:
    """KL(a || b) and equality of the argmax for each row of logits [C, V]."""
    agree += (a.argmax(axis=1) == b.argmax(axis=1)).tolist()
    step = max(1, CHUNK_LOGITS // a.shape[1])
    for row in range(0, len(a), step):
        log_a, log_b = (_log_softmax(x[row : row + step].astype(np.float64)) for x in (a, b))
        kl += (np.exp(log_a) * (log_a - log_b)).sum(axis=1).tolist()


def _log_softmax(z: np.ndarray) -> np.ndarray:
    z -= z.max(axis=1, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z
