"""Finds out how much memory this process has: the machine's, or less if its control group has a limit."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
GROUPS = Path("/sys/fs/cgroup")


def total_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def available_bytes() -> int | None:
    """Returns how many bytes can be taken without swapping, or None where the system does not tell."""
    known = [size for size in (_meminfo("MemAvailable"), _group_available()) if size is not None]
    return min(known, default=None)


def _meminfo(key: str) -> int | None:
    if not MEMINFO.exists():
        return None
    for line in MEMINFO.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    return None


def _group_available() -> int | None:
    """Returns the least that this process's control group (version 2) and the groups around it have left.

    Cached files count as free, because the system can drop them.
    """
    try:
        name = Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip().lstrip("/")
    except OSError:
        return None
    folders = [GROUPS / name, *(GROUPS / name).parents]
    left = [_left_in(folder) for folder in folders if folder.is_relative_to(GROUPS)]
    return min((size for size in left if size is not None), default=None)


def _left_in(folder: Path) -> int | None:
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(0, int(limit) - used + int(stat.get("file", 0)))


def reset_peak() -> bool:
    """Resets the peak of `peak_bytes`. Returns False where the system cannot do that."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return True
    except OSError:
        return False


def peak_bytes() -> int:
    """Returns the most memory that was resident at once since reset_peak(), or since the process began.

    Mapped files are included.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
