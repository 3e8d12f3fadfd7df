"""Formats text for people: makes it safe for a terminal, prints sizes with units and aligns columns."""

from __future__ import annotations

import json
from collections.abc import Sequence

# Maps control characters other than newline and tab to symbols, because the text of a model must not control the
# terminal.
VISIBLE = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
VISIBLE |= {0x7F: "\u2421"} | dict.fromkeys(range(0x80, 0xA0), "\ufffd")


def visible(text: str) -> str:
    """Returns `text` with control characters replaced by symbols."""
    return text.translate(VISIBLE)


def json_text(report: object) -> str:
    """Returns the JSON of a command's --json, without a line break at its end."""
    return json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)


def show_bytes(size: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def show_ms(ms: float) -> str:
    """Writes a time with three or more digits: 412 us, 1.41 ms, 1410 ms."""
    value, unit = (1e3 * ms, "us") if ms < 1 else (ms, "ms")
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Returns indented lines in which the cells are aligned. The columns with numbers in `right` are flush right."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [x.rjust(w) if i in right else x.ljust(w) for i, (x, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def natural_order(name: str) -> tuple[tuple[bool, int, str], ...]:
    """A key for sorting that puts blk.2 before blk.10."""
    return tuple((part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in name.split("."))
