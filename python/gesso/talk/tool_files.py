"""Tools that a file has: the functions of a Python file, or declarations in JSON."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from gesso.calls.tools import read_tools
from gesso.files.regular_file import read_text

Given = Callable[..., object] | dict[str, Any]  # as `Model.chat` takes a tool


def load_tools(path: Path) -> list[Given]:
    """Returns the tools of a file. ValueError, which names the file, if it has none or is none of such a kind.

    A Python file is run. Its tools are the functions in its `__all__`, or else those that it defines and whose names do
    not begin with an underscore. A JSON file has a list of declarations in the form of OpenAI's API, maybe under
    "tools".
    """
    if path.suffix == ".py":
        found = _functions(path)
    elif path.suffix == ".json":
        found = _declarations(path)
    else:
        raise ValueError(f"{path}: expected a file of tools whose name ends with .py or .json")
    if not found:
        raise ValueError(f"{path}: it has no tools; a Python file needs functions, a JSON file a list of declarations")
    try:
        read_tools(found)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None
    return found


def _functions(path: Path) -> list[Given]:
    source = read_text(path)  # what cannot be read is an OSError as for any other file
    name = f"gesso_tools_{path.stem}"
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(path))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses, for example, look their module up
    try:
        with _away_from_the_text():
            exec(compile(source, str(path), "exec"), module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too: a file of tools does not end the chat
        raise ValueError(f"{path}: it cannot be run: {type(error).__name__}: {error}") from None
    listed = getattr(module, "__all__", None)
    if listed is not None:
        if not isinstance(listed, (list, tuple)) or not all(isinstance(name, str) for name in listed):
            raise ValueError(f"{path}: __all__: expected a list of names, got {listed!r}")
        missing = [name for name in listed if not hasattr(module, name)]
        if missing:
            raise ValueError(f"{path}: __all__: the file has no {missing[0]!r}")
        return [getattr(module, name) for name in listed]
    return [
        value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def _declarations(path: Path) -> list[Given]:
    try:
        value = json.loads(read_text(path))
    except RecursionError:
        raise ValueError(f"{path}: it is nested too deep") from None
    except ValueError as error:
        raise ValueError(f"{path}: no JSON: {error}") from None
    if isinstance(value, dict) and "tools" in value:
        value = value["tools"]
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise ValueError(f"{path}: expected a list of declarations of tools")
    return list(value)


def asking(tool: Given, allows: Callable[[str, dict[str, Any]], bool]) -> Given:
    """Returns a tool that runs only if `allows(name, arguments)` says so. A refusal is told to the model."""
    if isinstance(tool, dict):
        return tool

    @functools.wraps(tool)
    def call(**arguments: Any) -> object:
        if not allows(tool.__name__, arguments):
            raise PermissionError("the user does not allow this call")
        try:
            with _away_from_the_text():
                return tool(**arguments)
        except SystemExit as error:
            raise RuntimeError(f"it tried to end the program, with {error.code!r}") from None

    return call


def _away_from_the_text() -> contextlib.redirect_stdout[TextIO]:
    """What is printed here is no text of the model, which standard output has alone unless it is a terminal."""
    return contextlib.redirect_stdout(sys.stdout if sys.stdout.isatty() else sys.stderr)
