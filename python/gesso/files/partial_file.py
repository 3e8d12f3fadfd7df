"""Files that appear under their name only when they are complete."""

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
    """OSError unless a GGUF file can be made at `path`; ValueError if one is there that is read, one of `sources`.

    Only GGUF files (and empty ones) are overwritten: a text, a shard or a device in this place is a mistake. For
    commands, before the work of hours begins.
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
    """The path of an empty file beside `path`, which takes its place at the end of the block.

    A block that raises leaves nothing behind. After a kill `<name>.partial` stays; the next call overwrites it. It is
    locked meanwhile: BlockingIOError when another process writes the same file.
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
    # Between open and lock the other one may have come to its end: then this is a finished or removed file by now.
    if not partial.exists() or not os.path.samestat(os.fstat(file.fileno()), os.stat(partial)):
        raise BlockingIOError(f"{partial}: another process has just written this file")


def check_space(folder: Path, needed: int) -> None:
    """OSError when the file system of `folder` has fewer free bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(f"{folder}: not enough space: {needed:,} bytes are needed, {free:,} are free")


@contextmanager
def unwind_on_sigterm() -> Iterator[None]:
    """For commands: SIGTERM ends the block by SystemExit, so that what it had begun is cleaned up as after Ctrl-C."""
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
