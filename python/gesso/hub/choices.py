"""Which of the files of a repository, or of a folder, make a model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")
FOLDER_FILES = (".safetensors", ".json", ".jinja")  # what gesso reads of a checkpoint folder


@dataclass(frozen=True)
class Choice:
    """One model: a GGUF file, the parts of a split one in their order, or the files of a checkpoint folder."""

    files: tuple[str, ...]
    is_folder: bool = False

    @property
    def name(self) -> str:
        """The file to name the model by: the first part, even if it is missing, or the first file with weights."""
        if self.is_folder:
            return next(file for file in self.files if file.endswith(".safetensors"))
        return _first_part(self.files[0])

    @property
    def missing(self) -> int:
        """How many parts are not there."""
        part = None if self.is_folder else PART.search(self.name)
        return int(part[1]) - len(self.files) if part else 0


def gguf_models(files: Iterable[str]) -> list[Choice]:
    """Returns the GGUF models among these files. mmproj*.gguf, the vision part of a model, is none; nor is imatrix*."""
    models: dict[str, list[str]] = {}
    for file in sorted(files):
        name = file.rpartition("/")[2].lower()
        if name.endswith(".gguf") and not name.startswith(("mmproj", "imatrix")):
            models.setdefault(_first_part(file), []).append(file)
    return [Choice(tuple(parts)) for parts in models.values()]


def _first_part(file: str) -> str:
    return PART.sub(r"-00001-of-\1.gguf", file)


def all_models(files: Iterable[str]) -> list[Choice]:
    """Returns the models among these files: GGUF models, and the safetensors beside a config.json at the top."""
    files = sorted(files)
    folder = tuple(file for file in files if "/" not in file and file.endswith(FOLDER_FILES))
    has_folder = "config.json" in folder and any(file.endswith(".safetensors") for file in folder)
    return gguf_models(files) + ([Choice(folder, is_folder=True)] if has_folder else [])


def matching(models: list[Choice], pattern: str | None) -> list[Choice]:
    """Returns the models with a file whose path fits the pattern, for example *Q4_K_M*, or else whose name does.

    So org/name/model.gguf means that file alone, and not sub/model.gguf, too.
    Without a pattern: all, but GGUF models only if there are any.
    """
    if pattern is None:
        return [model for model in models if not model.is_folder] or models
    by_path = [model for model in models if any(fnmatchcase(file, pattern) for file in _weights(model))]
    return by_path or [
        model for model in models if any(fnmatchcase(file.rpartition("/")[2], pattern) for file in _weights(model))
    ]


def _weights(model: Choice) -> list[str]:
    return [file for file in model.files if not model.is_folder or file.endswith(".safetensors")]
