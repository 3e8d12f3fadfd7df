"""Names of models on a hub: org/name, and org/name/FILE for one file of several. And names that a server gives."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass

from gesso import _native

WORD = r"(?=.{1,96}(?:/|\Z))\w(?:[\w.-]*\w)?"
REPOSITORY = re.compile(rf"{WORD}/{WORD}", re.ASCII)


@dataclass(frozen=True)
class HubName:
    """A model on a hub. `file`, a path in the repository, says which one if there are several."""

    repository: str
    file: str | None = None

    def __str__(self) -> str:
        return self.repository if self.file is None else f"{self.repository}/{self.file}"


def parse_name(text: str) -> HubName | None:
    """Returns the model that a text such as org/name or org/name/model.gguf means. None if it has another form."""
    organisation, _, rest = text.partition("/")
    name, slash, file = rest.partition("/")
    repository = f"{organisation}/{name}"
    if not is_repository(repository) or (slash and not is_safe(file)):
        return None
    if not slash and name.endswith((".gguf", ".safetensors")):
        return None  # a file in a folder
    return HubName(repository, file or None)


def name_and_pattern(text: str, pattern: str | None) -> tuple[str, str | None]:
    """Returns the repository org/name and the pattern of a file in it: of org/name/FILE, the pattern is FILE.

    Raises ArgumentError if the text names nothing on a hub, or if there are two files.
    """
    name = parse_name(text)
    if name is None:
        raise _native.ArgumentError(f"expected a name on the hub, as org/name, got {text!r}")
    if name.file is not None and pattern is not None:
        raise _native.ArgumentError(f"{name}: expected one file, got --file {pattern!r}, too")
    return name.repository, pattern if name.file is None else glob.escape(name.file)


def is_repository(text: str) -> bool:
    """Whether a text has the form org/name, by the hub's rules."""
    is_one = REPOSITORY.fullmatch(text) is not None
    return is_one and "--" not in text and ".." not in text and not text.endswith(".git")


def is_safe(name: str) -> bool:
    """Whether a file name from a server stays below the folder that it is put into, and shows as what it is."""
    parts = name.split("/")
    return name.isprintable() and "\\" not in name and not any(part in ("", ".", "..") for part in parts)


def printable(text: str) -> str:
    """Returns a name in which characters that control a terminal or turn its text around are replaced."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
