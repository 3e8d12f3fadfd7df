"""Fixtures for whole models on a GPU. In most runs it is the emulated GPU."""

import gc
import importlib
import sys

import pytest

import gesso
from reference import device as under_test


@pytest.fixture(autouse=True)
def _needs_cuda(device):
    if device != "cuda":
        pytest.skip("needs --device cuda")


@pytest.fixture(autouse=True)
def _no_failure_is_left(_needs_cuda):
    """An error of the emulated GPU that nobody was told fails the test that has made it. Among these is work that comes
    too late for the memory that it uses."""
    yield
    module = sys.modules.get("gesso._emulator")
    gc.collect()
    assert module is None or module.take_failure() == ""


@pytest.fixture
def emulator(_needs_cuda):
    """The module that controls the emulated GPUs. Its settings are reset after the test."""
    try:
        module = importlib.import_module("gesso._emulator")
    except ImportError:
        pytest.skip("needs the emulator, which this build of gesso is not made for")
    yield module
    module.set_current_device(0)
    module.reset_settings()


@pytest.fixture
def activations(request):
    """The value of the option --activations, "bf16" or "int8"."""
    return request.config.getoption("--activations")


@pytest.fixture
def on(emulator, activations):
    """A function on(architecture, rounding, seed, multiprocessors): after the call, ops run on such a GPU. A GPU's
    properties are read when it is chosen."""

    def use(architecture, rounding="bf16", seed=1, multiprocessors=16):
        emulator.set_architecture(architecture)
        emulator.set_num_multiprocessors(multiprocessors)
        emulator.set_seed(seed)
        under_test.use("cuda", rounding)

    yield use
    emulator.reset_settings()
    under_test.use("cuda", activations)


@pytest.fixture
def on_hopper(emulator, activations):
    """Ops run on a GPU of compute capability 9.0, with rows of bf16 or, for experts, of f16."""
    emulator.set_architecture(90)
    under_test.use("cuda", "bf16")
    yield
    emulator.reset_settings()
    under_test.use("cuda", activations)


@pytest.fixture
def load(activations):
    """A function like gesso.load that loads onto the first GPU."""

    def load(path, **options):
        return gesso.load(path, **{"device": "cuda", "activations": activations} | options)

    return load
