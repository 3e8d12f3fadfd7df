"""Opens the files that people name. Only regular files are read: a pipe would wait, and a device may never end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from gesso import _native
from gesso.files.tensor import release_pages

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]
KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


def as_path(path: AnyPath) -> Path:
    """Returns a path that a caller gave. Raises TypeError if it is none, ArgumentError if it is empty or holds a NUL.

    `~` is not expanded, as in Python's own functions. FileNotFoundError says so.
    """
    text = os.fsdecode(path)
    if not text:
        raise _native.ArgumentError("path: expected the name of a file or folder, got an empty text")
    if "\0" in text:
        raise _native.ArgumentError(f"path: expected no NUL character, got {text!r}")
    first, slash, _ = text.partition("/")
    if first.startswith("~") and slash and not os.path.lexists(first):
        raise FileNotFoundError(f"{text}: there is no folder {first}; os.path.expanduser gives the home folder")
    return Path(text)


def open_regular(path: Path, *, follows_link: bool = True) -> BinaryIO:
    """Opens a file for reading. Raises OSError, which names what the path is, unless it is a regular file."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follows_link else os.O_NOFOLLOW)
    return open(path, "rb", opener=lambda name, _: _open_descriptor(Path(name), flags))


def _open_descriptor(path: Path, flags: int) -> int:
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket cannot be opened at all
            _check_regular(path, os.stat(path).st_mode)
        raise
    try:
        _check_regular(path, os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kind = next((name for is_kind, name in KINDS if is_kind(mode)), "a device")
    error = IsADirectoryError if stat.S_ISDIR(mode) else OSError
    raise error(f"cannot read {path}: expected a regular file, got {kind}")


def read_text(path: Path) -> str:
    """Reads a text file. Raises OSError, and ValueError if it is not UTF-8."""
    with open_regular(path) as file:
        return decode(path, file.read())


def decode(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8: {error}") from None


class OpenFile:
    """An open file that gives parts of its bytes: as views of its mapping, or read each time they are asked for.

    Nobody may change a mapped file: the system ends the process with SIGBUS when a part that was cut off is used.
    """

    def __init__(self, file: BinaryIO, mmap: bool):
        self._file = file
        self._mapped = np.memmap(file, np.uint8, "r").view(np.ndarray) if mmap else None

    def part(self, begin: int, end: int) -> npt.NDArray[np.uint8]:
        """Returns the bytes from `begin` to before `end`. Raises OSError if the file has become shorter."""
        if self._mapped is not None:
            return self._mapped[begin:end]
        data = np.empty(end - begin, np.uint8)
        done = 0
        while done < data.nbytes:
            count = os.preadv(self._file.fileno(), [data[done:].data], begin + done)
            if count == 0:
                expected = f"expected {end:,} bytes, got {begin + done:,}"
                raise OSError(f"cannot read {self._file.name}: it became shorter, {expected}")
            done += count
        return data

    def release(self, begin: int, end: int) -> None:
        """Gives back the memory that reading a mapped part has filled."""
        if self._mapped is not None:
            release_pages(self._mapped[begin:end])
