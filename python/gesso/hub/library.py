"""The package `huggingface_hub`: it is imported when it is needed, and its errors become errors of one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

INSTALL = "pip install 'gesso[hub]'"
OLDEST = (1, 33)  # what gesso is tested with; pyproject.toml says the same


def library(module: str = "") -> Any:
    """Returns `huggingface_hub`, or a module of it. Raises ModuleNotFoundError, which says how to install it."""
    try:
        hub = import_module("huggingface_hub")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"the package huggingface_hub is missing: {INSTALL}", name=error.name) from None
    if tuple(map(int, re.findall(r"\d+", hub.__version__)[:2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        message = f"huggingface_hub {hub.__version__} is too old, gesso needs {oldest}: {INSTALL}"
        raise ModuleNotFoundError(message, name="huggingface_hub")
    return import_module(f"huggingface_hub.{module}") if module else hub


def silence() -> None:
    """Keeps the library's own warnings from the terminal: they may have words that a server sent."""
    library("utils.logging").set_verbosity_error()


def cache_folder() -> Path:
    """The folder of the hub's cache: HF_HUB_CACHE, or "hub" in HF_HOME."""
    return Path(library("constants").HF_HUB_CACHE)


def endpoint() -> str:
    """The address of the hub: HF_ENDPOINT."""
    return str(library("constants").ENDPOINT)


@contextmanager
def plain_errors(repository: str, revision: str | None = None) -> Iterator[None]:
    """Turns the library's errors into errors of one line that name the repository and say what helps."""
    errors = library("errors")
    invalid_url = import_module(errors.HTTPError.__module__.partition(".")[0]).InvalidURL
    try:
        yield
    except errors.GatedRepoError:
        raise PermissionError(
            f"{repository}: access is restricted. Ask for it at {endpoint()}/{repository}, and log in: hf auth login"
        ) from None
    except errors.RepositoryNotFoundError:
        raise FileNotFoundError(
            f"{repository}: {endpoint()} has no such model, or it is private. To log in: hf auth login"
        ) from None
    except errors.RevisionNotFoundError:
        raise FileNotFoundError(f"{repository}: {endpoint()} has no revision {revision} of it") from None
    except errors.OfflineModeIsEnabled:
        raise ConnectionError(
            f"{repository}: offline mode is on (HF_HUB_OFFLINE), so nothing can be downloaded"
        ) from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        reason = f": {error.server_message}" if error.server_message else ""
        raise ConnectionError(f"{repository}: {endpoint()} answered with status {status}{reason}") from None
    except errors.HTTPError as error:
        raise ConnectionError(f"{repository}: cannot reach {endpoint()}: {error or type(error).__name__}") from None
    except invalid_url as error:
        raise ValueError(f"{repository}: {endpoint()} gives an address that is none: {error}") from None
