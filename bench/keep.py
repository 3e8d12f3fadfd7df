"""Makes results fit for bench/results: one record a line, and of each list of samples only what it says.

    python bench/keep.py RESULT.json [RESULT.json ...]

Rewrites the files in place. They stay JSON: `samples` of a spread become `num_samples`, `min` and `max` beside its
median and percentiles, and all other keys stay. compare.py and plot.py read both forms.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def without_samples(value: Any) -> Any:
    """The same with every list `samples` of numbers replaced by its length and its ends."""
    if isinstance(value, list):
        return [without_samples(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {key: without_samples(each) for key, each in value.items() if key != "samples"}
    samples = value.get("samples")
    if samples:
        kept |= {"num_samples": len(samples), "min": min(samples), "max": max(samples)}
    return kept


def to_lines(records: Sequence[Any]) -> str:
    """A JSON list with a record a line."""
    lines = [json.dumps(without_samples(record), ensure_ascii=False, allow_nan=False) for record in records]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="RESULT.json")
    for file in parser.parse_args(arguments).files:
        try:
            result = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            print(f"{file}: expected JSON: {error}", file=sys.stderr)
            return 2
        file.write_text(to_lines(result if isinstance(result, list) else [result]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
