"""A hub for each test, and the command in this process: the variables of the real one are read when it starts."""

import pytest
from huggingface_hub import constants

from gesso.cli import main
from gesso.hub import blob
from python.hub.server import NO_PROXY, Hub
from python.tiny_model import tiny_model


@pytest.fixture(scope="session")
def model_bytes(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf").read_bytes()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "home/hub"


@pytest.fixture
def hub(cache, monkeypatch, tmp_path):
    """A hub that this process uses, with a cache in tmp_path; nobody is logged in."""
    with Hub() as hub:
        places = {
            "ENDPOINT": hub.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        }
        for name, value in {
            **places,
            "HF_HUB_CACHE": str(cache),
            "HF_TOKEN_PATH": str(tmp_path / "home/token"),
        }.items():
            monkeypatch.setattr(constants, name, value)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NO_PROXY", NO_PROXY)
        monkeypatch.setattr(blob, "PAUSE", 0.0)
        monkeypatch.chdir(tmp_path)
        yield hub


@pytest.fixture
def command(hub, capsys):
    """Runs a command line and returns its exit status, standard output and standard error."""

    def run(*arguments):
        capsys.readouterr()
        status = main(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in err and "\x1b" not in out + err
        return status, out, err

    return run
