"""Downloads one model of a repository into the hub's cache, where every program that uses the cache finds it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from gesso import _native
from gesso.hub.blob import bytes_there, fetch_blob
from gesso.hub.choices import Choice, all_models, matching
from gesso.hub.library import cache_folder, library
from gesso.hub.names import printable
from gesso.hub.remote import Listing, RemoteFile, describe_file, list_files

Progress = Callable[[int, int, str], object]  # bytes there, bytes in all, the file that is under way
REVISION = re.compile(r"\w[\w.+-]*(/\w[\w.+-]*)*", re.ASCII)  # a branch, a tag, a commit or refs/pr/1


class Pull:
    """The download of one model: first it knows all sizes, then it fetches.

    Raises OSError if the hub does not give a file to this login or cannot be reached, and if a file is too large for
    what a connection of the hub gives at a time; ValueError if parts are missing.
    """

    def __init__(self, listing: Listing, model: Choice):
        self._listing, self.model = listing, model
        if model.missing:
            parts = len(model.files) + model.missing
            raise ValueError(f"{listing.repository}: it has {len(model.files)} of {parts} parts of {model.name}")
        self._files = [describe_file(listing, name) for name in model.files]
        self.folder = cache_folder() / f"models--{listing.repository.replace('/', '--')}"
        most = library("constants").MAX_HTTP_DOWNLOAD_SIZE
        for file in self._files:
            if file.size > most:
                raise OSError(
                    f"{listing.repository}: {file.name} has {file.size:,} bytes, more than {most:,}. To download it:"
                    f" hf download {listing.repository} {shlex.quote(file.name)} --revision {listing.revision}"
                )
        self.size = sum(file.size for file in self._files)

    def bytes_there(self) -> int:
        """How many bytes are in the cache already."""
        return sum(
            file.size if self._pointer(file).exists() else bytes_there(self._blob(file), file.size)
            for file in self._files
        )

    def check_space(self) -> int:
        """Returns how many bytes are free where the cache is. Raises OSError if fewer are free than are missing."""
        there = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        free, needed = shutil.disk_usage(there).free, self.size - self.bytes_there()
        if free < needed:
            raise OSError(f"{self.folder}: not enough space: {needed:,} bytes are needed, {free:,} are free")
        return free

    def run(self, on_progress: Progress | None = None) -> Path:
        """Fetches what is missing. Returns the path of the GGUF file, of its first part, or of the folder.

        What came before an error or Ctrl-C stays, and the next call goes on from there. The model gets its place in
        the cache when all of it is there.
        """
        done = 0
        for name in ("blobs", "snapshots"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for file in self._files:

            def tell(bytes_of_file: int, before: int = done, name: str = file.name) -> None:
                if on_progress is not None:
                    on_progress(before + bytes_of_file, self.size, name)

            if not self._pointer(file).exists():
                fetch_blob(self._listing.repository, file, self._blob(file), tell)
            done += file.size
        for file in self._files:
            _link(self._blob(file), self._pointer(file))
        if self._listing.revision != self._listing.commit:
            _write(self.folder / "refs" / self._listing.revision, self._listing.commit)
        return self._snapshot if self.model.is_folder else self._snapshot / self.model.name

    @property
    def _snapshot(self) -> Path:
        return self.folder / "snapshots" / self._listing.commit

    def _pointer(self, file: RemoteFile) -> Path:
        return self._snapshot / file.name

    def _blob(self, file: RemoteFile) -> Path:
        return self.folder / "blobs" / file.etag


def find(repository: str, revision: str = "main") -> Listing:
    """Asks the hub for a repository's files. Raises ArgumentError for a revision that cannot be one, and what
    `list_files` raises."""
    if not REVISION.fullmatch(revision) or ".." in revision:
        raise _native.ArgumentError(f"revision: expected a branch, a tag or a commit, got {revision!r}")
    return list_files(repository, revision)


def models_of(listing: Listing, pattern: str | None = None) -> list[Choice]:
    """Returns the models of a repository that fit a pattern, see `matching`. Raises ValueError if there are none."""
    models = all_models(listing.sizes)
    found = matching(models, pattern)
    if found:
        return found
    unsafe = ", ".join(f'"{printable(name)}"' for name in listing.unsafe)
    unsafe = f"; left out, for names that no file may have: {unsafe}" if unsafe else ""
    if not models:
        raise ValueError(f"{listing.repository}: it has no GGUF file and no checkpoint folder{unsafe}")
    names = show_names([model.name for model in models])
    raise ValueError(f"{listing.repository}: no model fits {pattern!r}; it has {names}{unsafe}")


def show_names(names: list[str]) -> str:
    return ", ".join(printable(name) for name in names)


def pull(
    repository: str,
    file: str | None = None,
    revision: str = "main",
    on_progress: Callable[[int, int], object] | None = None,
) -> Path:
    """Downloads the one model of a repository, or the one that fits a pattern. Raises ArgumentError if there are
    several, and what `find`, `models_of` and `Pull` raise."""
    listing = find(repository, revision)
    models = models_of(listing, file)
    if len(models) > 1:
        names = show_names([f"{repository}/{model.name}" for model in models])
        raise _native.ArgumentError(f"{repository}: expected one model, got {len(models)}; give one of {names}")
    work = Pull(listing, models[0])
    work.check_space()
    return work.run(None if on_progress is None else lambda done, total, _: on_progress(done, total))


def _link(blob: Path, pointer: Path) -> None:
    """Gives a blob its name in a revision. Where there are no links, the file itself moves there."""
    if pointer.exists():
        return
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)  # a link to what is gone
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        os.replace(blob, pointer)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    partial.write_text(text, encoding="ascii")
    os.replace(partial, path)
