"""Whole models on a GPU, which in most runs is the emulated one."""

import importlib

import pytest

import gesso


@pytest.fixture(autouse=True)
def _needs_cuda(device):
    if device != "cuda":
        pytest.skip("needs --device cuda")


@pytest.fixture
def emulator(_needs_cuda):
    """Control of the emulated GPUs, with its settings put back afterwards."""
    try:
        module = importlib.import_module("gesso._emulator")
    except ImportError:
        pytest.skip("needs the emulator, which this build of gesso is not made for")
    yield module
    module.reset_settings()


@pytest.fixture
def activations(request):
    """ "bf16" or "int8", as --activations says."""
    return request.config.getoption("--activations")


@pytest.fixture
def load(activations):
    """gesso.load onto the first GPU."""

    def load(path, **options):
        return gesso.load(path, **{"device": "cuda", "activations": activations} | options)

    return load
