"""Writes files under a temporary name, so that a file gets its own name only when it is complete."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

MAGIC = b"GGUF"


def check_target(path: str | os.PathLike[str], *sources: str | os.PathLike[str]) -> None:
    """Raises OSError if no GGUF file can be written at `path`, and ValueError if `path` is one of `sources`.

    Only GGUF files and empty files are overwritten. If another file is there, for example a text, the name is probably
    a mistake. Commands call this before they begin, because their work may take hours.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; expected the name of a file to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"{path}: the folder {path.parent} cannot be written to")
    if not path.exists():
        return
    if any(os.path.exists(source) and os.path.samefile(path, source) for source in sources):
        raise ValueError(f"{path}: the file to write is the one to read")
    if not path.is_file() or _first_bytes(path) not in (b"", MAGIC):
        raise FileExistsError(f"{path}: exists and is no GGUF file; it is not overwritten")


def _first_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(len(MAGIC))


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """Yields the path of an empty file `<name>.partial` beside `path`. The end of the block renames it to `path`.

    If the block raises, the partial file is removed. If the process is killed, it stays, and the next call overwrites
    it. The file is locked inside the block: BlockingIOError is raised if another process is writing it.
    """
    partial = path.with_name(path.name + ".partial")
    with open(partial, "ab") as file:
        _lock(file, partial)
        try:
            file.truncate(0)
            yield partial
            os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _lock(file: IO[bytes], partial: Path) -> None:
    """Makes this process the file's only writer until `file` is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"{partial}: another process is writing this file") from None
    # Another process may have finished between `open` and the lock. It has then renamed or removed this file.
    if not partial.exists() or not os.path.samestat(os.fstat(file.fileno()), os.stat(partial)):
        raise BlockingIOError(f"{partial}: another process has just written this file")


def check_space(folder: Path, needed: int) -> None:
    """Raises OSError if the file system of `folder` has fewer than `needed` free bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(f"{folder}: not enough space: {needed:,} bytes are needed, {free:,} are free")


@contextmanager
def unwind_on_sigterm() -> Iterator[None]:
    """Makes SIGTERM raise SystemExit inside the block, so that partial files are removed as after Ctrl-C.

    Only commands use it, because it changes the process's handler of the signal.
    """
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
