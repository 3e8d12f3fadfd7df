"""`gesso inspect --check MODEL`: whether all weights of a checkpoint are finite."""

from __future__ import annotations

import argparse
import dataclasses

from gesso.files.locate import locate
from gesso.measure.compare import read_tensors
from gesso.measure.not_finite import BrokenTensor, Findings, find_not_finite
from gesso.measure.text import json_text, visible
from gesso.terminal.progress import Progress

FOUND, NOTHING_FOUND = 1, 0  # exit statuses


def check(options: argparse.Namespace) -> int:
    """Prints every tensor that has numbers that are not finite. Returns 1 if there is one."""
    with Progress(options.model) as progress:
        tensors = list(read_tensors(options.model, mmap=options.mmap))
        found = find_not_finite(tensors, num_threads=options.threads or 0, on_progress=progress.update)
    if options.json:
        broken = [dataclasses.asdict(tensor) for tensor in found.broken]
        report = {"tensors": len(tensors), "broken": broken, "unread": found.unread}
        print(json_text({"path": str(locate(options.model)), **report}))
    else:
        print(visible("\n".join(report_lines(options.model, len(tensors), found))))
    return FOUND if found.broken else NOTHING_FOUND


def report_lines(path: str, num_tensors: int, found: Findings) -> list[str]:
    lines = [describe(tensor) for tensor in found.broken]
    lines += [f"{name}: not checked, since gesso cannot read its type" for name in found.unread]
    num_good = num_tensors - len(found.broken) - len(found.unread)
    return [*lines, f"{path}: {num_good} of {num_tensors} tensors have only finite numbers"]


def describe(tensor: BrokenTensor) -> str:
    """Returns one line, for example "blk.0.attn_q.weight F32 [64, 32]: 1 NaN, 2 infinite, first at [3, 17]"."""
    parts = []
    if tensor.first is not None:
        parts += [f"{tensor.num_nan} NaN", f"{tensor.num_infinite} infinite", f"first at {list(tensor.first)}"]
    if tensor.num_scales:
        parts.append(f"{tensor.num_scales} block scales are NaN")
    return f"{tensor.name} {tensor.type} {list(tensor.shape)}: {', '.join(parts)}"
