"""What ptxas reports about each kernel. It reads the files <object>.ptxas, which keep_report.sh writes."""

import re
from dataclasses import dataclass
from pathlib import Path

ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
CUMULATIVE = re.compile(r"(\d+) bytes cumulative stack size")
SHARED = re.compile(r"(\d+) bytes smem")


@dataclass(frozen=True)
class Usage:
    """The usage of one instance of a kernel on one architecture. `symbol` is its mangled name."""

    symbol: str
    architecture: str
    registers: int
    stack_bytes: int
    spill_bytes: int
    static_shared_bytes: int


def largest(pattern: re.Pattern, text: str) -> int:
    return max((int(match) for match in pattern.findall(text)), default=0)


def parse_report(text: str) -> list[Usage]:
    """Reads a report. A function that was not inlined counts as part of the kernel that it is listed with."""
    _, *parts = ENTRY.split(text)
    return [parse_entry(*entry) for entry in zip(parts[0::3], parts[1::3], parts[2::3], strict=True)]


def parse_entry(symbol: str, architecture: str, text: str) -> Usage:
    frames = [[int(number) for number in frame] for frame in FRAME.findall(text)]
    return Usage(
        symbol=symbol,
        architecture=architecture,
        registers=largest(USED, text),
        stack_bytes=max([frame[0] for frame in frames] + [largest(CUMULATIVE, text)]),
        spill_bytes=sum(frame[1] + frame[2] for frame in frames),
        static_shared_bytes=largest(SHARED, text),
    )


def read_report(compiled: Path) -> list[Usage]:
    """The report that lies beside an object."""
    return parse_report(compiled.with_name(f"{compiled.name}.ptxas").read_text())
