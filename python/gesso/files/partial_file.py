"""Writes files under a temporary name, so that a file gets its own name only when it is complete."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gesso.files.regular_file import AnyPath, as_path, open_regular

MAGIC = b"GGUF"


def check_target(target: AnyPath, *sources: AnyPath) -> None:
    """Raises what `check_output` raises, and OSError if no GGUF file can be written at `target`.

    Only GGUF files and empty files are overwritten. If another file is there, for example a text, the name is probably
    a mistake. Commands call this before they begin, because their work may take hours.
    """
    path = as_path(target)
    partial = _partial_path(path)
    check_output(path, *sources)
    longest = os.pathconf(path.parent, "PC_NAME_MAX")
    if len(os.fsencode(partial.name)) > longest:
        raise OSError(f"{path}: the name is too long; with {partial.suffix} behind it, it may have {longest} bytes")
    check_output(partial, *sources)
    if path.exists() and (not path.is_file() or _first_bytes(path) not in (b"", MAGIC)):
        raise FileExistsError(f"{path}: exists and is no GGUF file; it is not overwritten")


def check_output(target: AnyPath, *sources: AnyPath) -> None:
    """Raises OSError if no file can be written at `target`, ArgumentError if the path is none, and what
    `check_not_a_source` raises."""
    path = as_path(target)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; expected the name of a file to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"{path}: the folder {path.parent} cannot be written to")
    check_not_a_source(path, *sources)


def check_not_a_source(target: Path, *sources: AnyPath) -> None:
    """Raises ValueError if `target` is one of `sources`, or a link to one of them."""
    if any(os.path.exists(path) and os.path.samefile(target, path) for path in sources if target.exists()):
        raise ValueError(f"{target}: the file to write is the one to read")


def _first_bytes(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read(len(MAGIC))


def _partial_path(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


@contextmanager
def partial_file(path: Path) -> Iterator[BinaryIO]:
    """Yields the new file `<name>.partial` beside `path`, open for writing. The end of the block renames it to `path`.

    If the block raises, the partial file is removed. If the process is killed, it stays, and the next call removes it.
    The file is locked inside the block: BlockingIOError is raised if another process is writing it. Links are never
    followed: FileExistsError is raised if `<name>.partial` is a link, or anything but a file that this function may
    have left there.
    """
    partial = _partial_path(path)
    file = _create_locked(partial)
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if not _is_at(partial, file):
            raise FileNotFoundError(errno.ENOENT, "was removed or replaced while it was written", str(partial))
        os.replace(partial, path)
    except BaseException as error:
        if _is_at(partial, file):
            partial.unlink()
        if isinstance(error, OSError) and error.strerror and not error.filename:
            error.filename = str(path)  # "No space left on device", for example, names no file
        raise
    finally:
        with suppress(OSError):  # what could not be written has raised its error above
            file.close()


def _create_locked(partial: Path) -> BinaryIO:
    """Creates the file for this process alone, in place of one that a dead process has left."""
    with suppress(FileExistsError):
        return _lock(open(partial, "x+b"), partial)  # "x": it follows no link
    with _lock(_open_leftover(partial), partial):
        partial.unlink()
        try:
            return _lock(open(partial, "x+b"), partial)
        except FileExistsError:  # another process was faster
            raise _busy(partial) from None


def _open_leftover(partial: Path) -> BinaryIO:
    """Opens what is there already. Raises FileExistsError if no call of `partial_file` can have left it."""
    try:
        status = os.lstat(partial)
    except FileNotFoundError:  # another process has just finished
        raise _busy(partial) from None
    is_ours = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid()
    if not is_ours:
        raise FileExistsError(f"{partial}: is a link, a special file or another user's; it is not overwritten")
    return open_regular(partial, follows_link=False)


def _lock(file: BinaryIO, partial: Path) -> BinaryIO:
    """Makes this process the file's only writer until `file` is closed."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another process may have finished between `open` and the lock. It has then renamed or removed this file.
        if _is_at(partial, file):
            return file
    file.close()
    raise _busy(partial)


def _busy(partial: Path) -> BlockingIOError:
    return BlockingIOError(f"{partial}: another process is writing this file")


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Whether the path leads to the open file, and not to another one or to a link."""
    return os.path.lexists(path) and os.path.samestat(os.fstat(file.fileno()), os.lstat(path))


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
