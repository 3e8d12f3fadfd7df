"""Checkpoints: the whole state of a training in a local file, and weights alone in a small file that can be committed.

The small file holds int8 numbers with one scale for each 32 of a row, as Q8_0 does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

BLOCK = 32


@contextmanager
def reading(file: Path, expected: str) -> Iterator[None]:
    """Makes one error, which names the file, of whatever a damaged or a foreign one leads to."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        first, *_ = re.split(r"\.\s|\n", str(error))  # torch goes on with advice for files that one trusts
        raise ValueError(f"{file}: expected {expected}: {type(error).__name__}: {first}") from None


def save_state(file: Path, state: dict[str, Any]) -> None:
    temporary = file.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, file)


def load_state(file: Path) -> dict[str, Any]:
    state = torch.load(file, weights_only=True)
    if not isinstance(state, dict):
        raise TypeError(f"expected a dict, got a {type(state).__name__}")
    return state


@dataclass(frozen=True)
class Progress:
    """How far a training is. cpu_minutes: of all threads, of all runs that led here."""

    step: int = 0
    cpu_minutes: float = 0.0


def save_weights(file: Path, weights: dict[str, Tensor], progress: Progress) -> None:
    """Writes weights in about one byte each; vectors and the router stay float32."""
    stored = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in asdict(progress).items()}
    for name, tensor in weights.items():
        if tensor.ndim < 2 or "router" in name:
            stored[name] = tensor.detach().clone()
            continue
        blocks = tensor.detach().reshape(-1, BLOCK)
        scale = (blocks.abs().amax(dim=1, keepdim=True) / 127).half()
        stored[f"{name}.scale"] = scale
        stored[f"{name}.int8"] = (blocks / scale.float().clamp(min=1e-12)).round().to(torch.int8).view(tensor.shape)
    temporary = file.with_suffix(".tmp")
    temporary.write_bytes(save(stored))  # save_file makes a file that nobody else may read
    os.replace(temporary, file)


def load_weights(file: Path) -> tuple[dict[str, Tensor], Progress]:
    """Returns the weights of a file of `save_weights`, and how far the training was."""
    with reading(file, "weights that a training has written"):
        stored = load_file(file)
        progress = Progress(int(stored.pop("step")), float(stored.pop("cpu_minutes")))
        weights = {}
        for name, tensor in stored.items():
            if name.endswith(".int8"):
                scale = stored[name.replace(".int8", ".scale")].float()
                blocks = tensor.reshape(-1, BLOCK).float() * scale
                weights[name.removesuffix(".int8")] = blocks.view(tensor.shape)
            elif not name.endswith(".scale") or f"{name.removesuffix('.scale')}.int8" not in stored:
                weights[name] = tensor
    return weights, progress


def named(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.named_parameters())


@torch.no_grad()
def copy_into(model: nn.Module, weights: dict[str, Tensor]) -> None:
    parameters = named(model)
    if parameters.keys() != weights.keys():
        raise ValueError(f"other tensors than the model's: {sorted(parameters.keys() ^ weights.keys())[:4]}")
    for name, parameter in parameters.items():
        if parameter.shape != weights[name].shape:
            raise ValueError(f"{name}: expected shape {[*parameter.shape]}, got {[*weights[name].shape]}")
        parameter.copy_(weights[name])
