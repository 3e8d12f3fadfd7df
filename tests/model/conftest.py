"""Whole models, with every way of rounding activations that the device under test has."""

import pytest

import gesso


def pytest_generate_tests(metafunc):
    """Tests and fixtures that ask for `activations`: both kinds on the CPU, on a GPU what --activations says."""
    if "activations" in metafunc.fixturenames:
        is_cpu = metafunc.config.getoption("--device") == "cpu"
        kinds = ("f32", "int8") if is_cpu else (metafunc.config.getoption("--activations"),)
        metafunc.parametrize("activations", kinds, scope="module")


@pytest.fixture(scope="module")
def load(activations):
    """gesso.load, onto a GPU if one is under test."""

    def load(path, **options):
        return gesso.load(path, activations=activations, **options)

    return load
