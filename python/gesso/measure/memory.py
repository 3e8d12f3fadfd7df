"""How much memory there is for this process: the machine's, or what its control group leaves."""

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
    """What could be taken without swapping; None where the system does not tell."""
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
    """The least that this process' control group (version 2) and those around it leave. Cached files can be dropped."""
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
    """Lets the peak start anew; False where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return True
    except OSError:
        return False


def peak_bytes() -> int:
    """The most memory that was resident at once, mapped files included, since the process or reset_peak() began."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
