"""The short names of the models that come with the package: `gesso run mini`, `gesso.load("mini")`."""

from __future__ import annotations

import errno
import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "bundled"


def bundled_models(folder: Path = FOLDER) -> dict[str, Path]:
    """Returns the files of the models that come with the package, by their short names."""
    return {file.stem: file for file in sorted(folder.glob("*.gguf"))}


def is_short_name(text: str) -> bool:
    """Whether a text has the form of a short name. Those with a point or a slash are names of files."""
    return "." not in text and os.path.basename(text) == text


def find_bundled(name: str, folder: Path = FOLDER) -> Path:
    """Returns the file of a model that comes with the package. Raises FileNotFoundError with all names if none fits."""
    models = bundled_models(folder)
    if name not in models:
        raise FileNotFoundError(
            errno.ENOENT, f"No such file or directory, and gesso has only these models: {', '.join(models)}", name
        )
    return models[name]
