"""Which contents are held out from training: a hash of the content decides, so it is the same for every seed."""

from __future__ import annotations

import zlib

HELD_OUT_SHARE = 16  # one content in sixteen is held out


def is_held_out(content: str) -> bool:
    """Whether no training dialogue has this content, in whatever words it is put."""
    return zlib.crc32(content.encode()) % HELD_OUT_SHARE == 0
