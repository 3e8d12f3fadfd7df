"""A tiny model for the tests of a file. A file that needs another one defines these names itself."""

import pytest

import gesso
from python.tiny_model import tiny_model


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(scope="module")
def model(path):
    return gesso.load(path)
