"""Formats text for people: makes it safe for a terminal, prints sizes with units and aligns columns."""

from __future__ import annotations

import json
from collections.abc import Sequence

# Maps control characters other than newline and tab to symbols, because the text of a model must not control the
# terminal.
VISIBLE = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
VISIBLE |= {0x7F: "\u2421"} | dict.fromkeys(range(0x80, 0xA0), "\ufffd")
# JSON may have these in its texts as they are, where a terminal would obey them.
ESCAPED = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


def visible(text: str) -> str:
    """Returns `text` with control characters replaced by symbols."""
    return text.translate(VISIBLE)


def json_text(report: object, indent: int | None = 2) -> str:
    """Returns the JSON of a command's --json, without a line break at its end. indent: None makes it one line."""
    return json.dumps(report, indent=indent, ensure_ascii=False, allow_nan=False).translate(ESCAPED)


def counted(number: int, one: str, several: str) -> str:
    """Returns, for example, "1 canvas" or "2 canvases"."""
    return f"{number:,} {one if number == 1 else several}"


def show_bytes(size: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def show_ms(ms: float) -> str:
    """Writes a time with three or more digits: 412 us, 1.41 ms, 1410 ms."""
    value, unit = (1e3 * ms, "us") if ms < 1 else (ms, "ms")
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def status_line(done: int, total: int, seconds: float, unit: str | None = None, begun: int = 0) -> str:
    """Returns a line such as "40 %  6.7 GB of 16.8 GB  52.0 MB/s  3:14 left"."""
    percent = f"{100 * done // max(total, 1)} %"
    rate = max(done - begun, 0) / seconds if seconds > 0 else 0.0
    left = f"  {show_time((total - done) / rate)} left" if rate > 0 else ""
    if unit is None:
        return f"{percent}  {show_bytes(done)} of {show_bytes(total)}  {show_bytes(int(rate))}/s{left}"
    per_second = f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"
    return f"{percent}  {done:,} of {total:,} {unit}  {per_second}/s{left}"


def show_time(seconds: float) -> str:
    """Returns a time such as 1:02:03, 2:03 or 0:03. Hours are shown only from one hour on."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


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
