"""Whole models, with every way of rounding activations that the device under test has."""

import pytest

import gesso


def pytest_generate_tests(metafunc):
    """Gives `activations` to tests and fixtures that ask for it: on the CPU both kinds, on a GPU the option
    --activations."""
    if "activations" in metafunc.fixturenames:
        is_cpu = metafunc.config.getoption("--device") == "cpu"
        kinds = ("f32", "int8") if is_cpu else (metafunc.config.getoption("--activations"),)
        metafunc.parametrize("activations", kinds, scope="module")


@pytest.fixture(scope="module")
def load(activations):
    """A function like gesso.load that loads onto the device under test."""

    def load(path, **options):
        return gesso.load(path, activations=activations, **options)

    return load
