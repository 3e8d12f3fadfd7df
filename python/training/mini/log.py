"""The log of a training: a line of JSON with losses every few steps."""

from __future__ import annotations

import json
import os
from pathlib import Path

LOG = "log.jsonl"


def lines_until(file: Path, last_step: int) -> list[str]:
    """Returns the lines up to a step. What has no line break at its end was being written when a run was killed."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= last_step]


def cut_log(file: Path, last_step: int) -> None:
    """Drops what stands behind a step. A run that was killed has written it after its last state, and a run that goes
    on from there writes it again."""
    if not file.exists():
        return
    kept = "".join(lines_until(file, last_step))
    if kept != file.read_text(encoding="utf-8"):
        temporary = file.with_suffix(".tmp")
        temporary.write_text(kept, encoding="utf-8")
        os.replace(temporary, file)
