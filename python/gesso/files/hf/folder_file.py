"""Opens the files of a checkpoint folder, and refuses links that lead out of it.

A folder may come from a stranger. What its files hold gets into models and into files that are written, so a link such
as chat_template.jinja -> /etc/passwd must not be followed. Links are common in one place, the cache of the hub:
models--NAME/snapshots/REVISION/config.json -> ../../blobs/HASH. So a link may lead to a file of the folder itself, or
from a folder `snapshots/REVISION` to a file of the folder `blobs` beside `snapshots` whose name is a hash. `blobs` may
be a link itself, to another disk; the hash keeps it from leading to other files. Weights may be links to anywhere:
people keep them on other disks, and a file that holds no tensors is refused.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

from gesso import _native
from gesso._native import FormatError
from gesso.files.regular_file import decode, open_regular

HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # SHA-1 of small files, SHA-256 of large ones


def open_file(file: Path, *, is_weights: bool = False) -> BinaryIO:
    """Opens a file of a folder for reading; its attribute `name` is the path without links.

    Raises FileNotFoundError, and OSError if it is no regular file or a link that is not followed.
    """
    folder, real = os.path.realpath(file.parent), os.path.realpath(file)
    if file.is_symlink() and not os.path.exists(real):
        raise OSError(f"{file}: is a link to {real}, which does not exist")
    if not (is_weights or os.path.commonpath([folder, real]) == folder or _is_blob(folder, real)):
        raise PermissionError(
            f"{file}: is a link to {real}, outside of its folder, and is not followed; put a copy in its place"
        )
    return open_regular(Path(real), follows_link=False)


def read_text(file: Path, max_bytes: int = _native.MAX_JSON_BYTES) -> str | None:
    """Reads a text file of a folder. Returns None when it does not exist. Raises FormatError if it is too long."""
    try:
        with open_file(file) as opened:
            size = os.fstat(opened.fileno()).st_size
            if size > max_bytes:
                raise FormatError(f"{file}: expected at most {max_bytes} bytes, got {size}")
            return decode(file, opened.read())
    except FileNotFoundError:
        return None


def _is_blob(folder: str, real: str) -> bool:
    """Whether `folder` is a revision of a hub cache, and `real` a file that the cache holds."""
    parent, (blobs, name) = os.path.dirname(folder), os.path.split(real)
    if os.path.basename(parent) != "snapshots" or not HASH.fullmatch(name):
        return False
    return blobs == os.path.realpath(os.path.join(os.path.dirname(parent), "blobs"))
