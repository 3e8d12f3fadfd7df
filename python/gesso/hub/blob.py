"""Downloads the bytes of one file into the hub's cache. After an error or Ctrl-C the first bytes stay, and the next
call goes on from there."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from gesso.hub.library import library, plain_errors
from gesso.hub.remote import RemoteFile

MOST_FAILURES = 5  # one after another, without a byte between them
RETRIED = (408, 429, 500, 502, 503, 504)  # these statuses may be gone a second later
CHUNK, PAUSE = 1 << 20, 1.0  # bytes; seconds before a connection is made again


def partial_path(blob: Path) -> Path:
    """Where the bytes are until there are all of them. The library gives such files this name, too."""
    return blob.with_name(f"{blob.name}.incomplete")


def bytes_there(blob: Path, size: int) -> int:
    """How many bytes of a blob need not be downloaded any more."""
    if blob.exists():
        return size
    partial = partial_path(blob)
    return min(partial.stat().st_size, size) if partial.is_file() else 0


def fetch_blob(repository: str, file: RemoteFile, blob: Path, on_bytes: Callable[[int], object]) -> None:
    """Makes `blob` hold the bytes of a file. on_bytes(bytes_there) is called as they come.

    Raises OSError if the hub cannot be reached any more, or gives other bytes than it has told; BlockingIOError if
    another process is downloading the same bytes.
    """
    lock = blob.parents[2] / ".locks" / blob.parent.parent.name / f"{file.etag}.lock"  # the library's
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with library("utils").WeakFileLock(lock, timeout=1):
            if not blob.exists():
                _complete(repository, file, blob, on_bytes)
    except TimeoutError:
        raise BlockingIOError(f"{repository}: another process is downloading {file.name}") from None


def _complete(repository: str, file: RemoteFile, blob: Path, on_bytes: Callable[[int], object]) -> None:
    partial = partial_path(blob)
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with open(descriptor, "r+b") as target:
        download = _Download(repository, file, target, on_bytes)
        download.run()
        target.flush()
        os.fsync(descriptor)
    if file.sha256 not in (None, download.digest()):
        partial.unlink()
        raise OSError(
            f"{repository}: {file.name} came with another SHA-256 than the hub tells; it is deleted, try again"
        )
    os.replace(partial, blob)


class _Download:
    """The download of one file into an open one, which may hold its first bytes already."""

    def __init__(self, repository: str, file: RemoteFile, target: BinaryIO, on_bytes: Callable[[int], object]):
        self._repository, self._file, self._target, self._on_bytes = repository, file, target, on_bytes
        self._done, self._hash = 0, hashlib.sha256()
        while self._done <= file.size and (chunk := target.read(CHUNK)):
            self._take(chunk)
            on_bytes(min(self._done, file.size))
        if self._done > file.size:  # it is something else
            self._restart()

    def digest(self) -> str:
        return self._hash.hexdigest()

    def run(self) -> None:
        """Downloads what is missing. When a connection breaks, another one goes on from there."""
        failures, most = 0, self._done  # the most bytes that were there at a time
        while self._done < self._file.size:
            reason = self._read_answer()
            failures = 0 if self._done > most else failures + 1
            most = max(most, self._done)
            if failures == MOST_FAILURES:
                raise ConnectionError(
                    f"{self._repository}: {self._file.name} ends after {self._done:,} of {self._file.size:,} bytes:"
                    f" {reason}. The next time it goes on from there"
                )
            if self._done < self._file.size:
                time.sleep(PAUSE)

    def _read_answer(self) -> str:
        """Takes the bytes of one answer. Returns why it ended; what is not worth another try raises."""
        errors = library("errors")
        with plain_errors(self._repository):
            try:
                self._read()
            except errors.HfHubHTTPError as error:
                if error.response.status_code not in RETRIED:
                    raise
                return f"status {error.response.status_code}"
            except errors.HTTPError as error:
                return str(error) or type(error).__name__
        return "the connection was closed"

    def _read(self) -> None:
        utils = library("utils")
        headers = {**utils.build_hf_headers(library_name="gesso"), "Accept-Encoding": "identity"}
        if self._done:
            headers["Range"] = f"bytes={self._done}-"
        seconds = library("constants").HF_HUB_DOWNLOAD_TIMEOUT
        with utils.get_session().stream("GET", self._file.url, headers=headers, timeout=seconds) as answer:
            utils.hf_raise_for_status(answer)
            if answer.status_code != 206:  # from the beginning, although a part was asked for
                self._restart()
            elif not answer.headers.get("Content-Range", "").startswith(f"bytes {self._done}-"):
                raise OSError(f"{self._repository}: got another part of {self._file.name} than was asked for")
            for chunk in answer.iter_bytes():
                if self._done + len(chunk) > self._file.size:
                    raise OSError(f"{self._repository}: {self._file.name} has more bytes than the hub tells")
                self._target.write(chunk)
                self._take(chunk)
                self._on_bytes(self._done)

    def _restart(self) -> None:
        self._target.seek(0)
        self._target.truncate()
        self._done, self._hash = 0, hashlib.sha256()

    def _take(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._done += len(chunk)
