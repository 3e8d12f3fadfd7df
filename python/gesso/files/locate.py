"""Finds the model where a user names something around it: a hub cache's folder, or a folder with one GGUF file. A
model of the package has a short name, and one in a hub's cache has the name that it has on the hub."""

from __future__ import annotations

import errno
import os
import shlex
from pathlib import Path

from gesso import _native
from gesso.files.regular_file import AnyPath, as_path, read_text
from gesso.files.short_names import find_bundled, is_short_name
from gesso.hub.choices import all_models, gguf_models
from gesso.hub.library import cache_folder
from gesso.hub.names import HubName, parse_name

UNFINISHED = "an unfinished download or file; let it finish, or start it again"
# What a file is that has one of these ends, whatever it begins with.
SUFFIXES = {
    **dict.fromkeys((".incomplete", ".part", ".partial", ".crdownload", ".aria2", ".download"), UNFINISHED),
    ".json": "a file of a checkpoint folder; give the folder",
    ".onnx": "an ONNX model; give the folder that it was made from",
    **dict.fromkeys((".tflite", ".task", ".litertlm"), "a LiteRT model; give the folder that it was made from"),
}
HUB = "models--"  # a hub cache keeps models/ORGANISATION/NAME as models--ORGANISATION--NAME/snapshots/REVISION


def locate(path: AnyPath) -> Path:
    """Returns the GGUF file or the checkpoint folder that a path stands for.

    - A folder of a hub cache, models--ORGANISATION--NAME, stands for the revision that its refs/main names, or for its
      only revision.
    - A folder without safetensors stands for its only GGUF file, or for the first part of its only split file. A file
      mmproj*.gguf, the vision part of a model, does not count, and neither does imatrix*.gguf.
    - A name that no file or folder has, such as "mini", stands for the model of the package with this short name.
    - Such a name with a slash, as "org/name" or "org/name/model.gguf", stands for a model in the hub's cache.
    - Any other path stands for itself. Whether it can be read is found out later.

    Raises FormatError for a folder with several GGUF files or revisions, and for a file that is something else, and
    FileNotFoundError for a name that neither a file nor a model has. Nothing is ever downloaded here.
    """
    text, path = os.fsdecode(path), as_path(path)
    if not os.path.lexists(path):
        if is_short_name(text):
            return find_bundled(text)
        name = parse_name(text)
        return path if name is None else find_cached(name)
    if path.suffix in SUFFIXES and path.is_file():
        raise _native.FormatError(f"{path}: {SUFFIXES[path.suffix]}")
    if not path.is_dir():
        return path
    folder = _revision(path)
    if next(folder.glob("*.safetensors"), None) is not None:
        return folder
    models = gguf_models(file.name for file in folder.iterdir())
    if len(models) > 1:
        names = ", ".join(model.name for model in models)
        raise _native.FormatError(f"{folder}: expected one model, got {len(models)}; give one of {names}")
    return folder / models[0].name if models else folder


def find_cached(name: HubName) -> Path:
    """Returns the GGUF file or the folder of a model in the hub's cache.

    Raises FileNotFoundError, with the command that downloads it, and FormatError if there are several.
    """
    try:
        repository = cache_folder() / (HUB + name.repository.replace("/", "--"))
    except ModuleNotFoundError as error:
        reason = f"No such file or directory, and for a model in the hub's cache {error}"
        raise FileNotFoundError(errno.ENOENT, reason, str(name)) from None
    folder = _revision(repository) if any(repository.glob("snapshots/*")) else repository / "snapshots"
    models = all_models(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    if name.file is not None:
        models = [model for model in models if name.file in model.files]
    if not models:
        command = f"gesso pull {name.repository}" + (f" --file {shlex.quote(name.file)}" if name.file else "")
        reason = f"No such file or directory, and no such model in the hub's cache. To download it: {command}"
        raise FileNotFoundError(errno.ENOENT, reason, str(name))
    if len(models) > 1:
        names = ", ".join(f"{name.repository}/{model.name}" for model in models)
        raise _native.FormatError(
            f"{name}: expected one model in the hub's cache, got {len(models)}; give one of {names}"
        )
    return folder if models[0].is_folder else folder / models[0].name


def _revision(folder: Path) -> Path:
    """Returns the revision that a hub cache's folder stands for. Another folder stands for itself."""
    if folder.name == "snapshots":
        folder = folder.parent
    if not folder.resolve().name.startswith(HUB) or (folder / "config.json").is_file():
        return folder
    snapshots = sorted(entry for entry in folder.glob("snapshots/*") if entry.is_dir())
    try:
        main = folder / "snapshots" / read_text(folder / "refs" / "main").strip()
    except (OSError, ValueError):
        main = None
    if main in snapshots:
        return main
    if not snapshots:
        raise _native.FormatError(f"{folder}: a hub cache's folder without a revision; start the download again")
    if len(snapshots) > 1:
        names = ", ".join(entry.name for entry in snapshots)
        raise _native.FormatError(
            f"{folder}: a hub cache's folder whose refs/main names none of its revisions; give one of"
            f" snapshots/{{{names}}}"
        )
    return snapshots[0]


def checkpoint_name(folder: Path) -> str:
    """Returns the name of a checkpoint folder. For a revision in a hub cache it is the model's name."""
    folder = folder.resolve()
    repository = folder.parent.parent.name
    is_revision = folder.parent.name == "snapshots" and repository.startswith(HUB)
    return repository.rpartition("--")[2] if is_revision else folder.name
