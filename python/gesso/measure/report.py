"""Writes the records of `gesso bench` as Markdown tables for people, and as CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence

from gesso.measure.record_types import CeilingEntry, ProfiledOp, Record, Row, Spread
from gesso.measure.text import show_bytes, show_ms, visible

PROFILED = {"encode": "encoding the prompts", "step": "one denoising step"}  # the tables have these two, JSON has all


def to_json(records: Sequence[Row]) -> str:
    return json.dumps(list(records), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(records: Sequence[Row]) -> str:
    """Writes one line per record. The keys of nested objects are joined by underscores, as in step_ms_median.

    Lists are left out: samples, ceilings and profiles.
    """
    rows = [dict(flatten(record)) for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def flatten(record: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in record.items():
        if isinstance(value, Mapping) and name != "profile":
            yield from flatten(value, f"{prefix}{name}_")
        elif not isinstance(value, (list, Mapping)):
            yield prefix + name, value


def to_markdown(records: Sequence[Record]) -> str:
    if not records:
        return "Nothing was measured.\n"
    lines = [*heading(records[0]), "", *main_table(records), "", *legend(records)]
    lines += ["", *ceiling_table(records)]
    for record in records:
        for phase, ops in (record["profile"] or {}).items():
            if ops and phase in PROFILED:
                lines += ["", *profile_table(record, phase, ops)]
    return visible("\n".join(lines)) + "\n"


def heading(record: Row) -> list[str]:
    model, machine, device = record["model"], record["machine"], record["device"]
    where = machine["cpu"]
    if device["name"] != "cpu":
        where = f"{device['name']}, {device['description']}"
    elif record["activations"] == "int8":
        where += f", kernels {machine['int8_kernels']}"
    return [
        f"{model['name']}: {model['num_layers']} layers, {show_bytes(model['weight_bytes'])} of weights,"
        f" {record['activations']} activations",
        f"{where}; gesso {record['gesso_version']} ({record['build']}), {record['date']}",
    ]


def main_table(records: Sequence[Record]) -> list[str]:
    steps = records[0]["steps"]
    header = ("threads", "prompt", "batch", "encode tokens/s", "step ms", "commit ms", f"tokens/s at {steps} steps")
    rows = [(*header, "first canvas s", "first step ms", "memory")]
    for record in records:
        passes = record["passes"]
        step = "step" if record["step_ms"] else "step_without_self_conditioning"
        step_ms = record["step_ms"] or record["step_without_self_conditioning_ms"]
        rows.append(
            (
                str(record["num_threads"]),
                str(record["prompt_tokens"]),
                str(record["batch"]),
                f"{record['encode_tokens_per_s']:.1f}{percent(passes['encode']['share_of_floor'])}",
                show_spread(step_ms) + percent(passes[step]["share_of_floor"]),
                show_spread(record["commit_ms"]) + percent(passes["commit"]["share_of_floor"]),
                f"{record['committed_tokens_per_s']:.2f}",
                f"{record['first_canvas_ms']['median'] / 1e3:.2f}{percent(record['first_canvas_share_of_floor'])}",
                digits(record["first_step_ms"]),
                show_bytes(record["peak_memory_bytes"]),
            )
        )
    return table(rows)


def legend(records: Sequence[Record]) -> list[str]:
    """Returns what the columns mean, and the notes on the rows."""
    record = records[0]
    entropies = record["mean_entropy_nats"]
    lines = [
        "Times are medians, with the 10th to the 90th percentile in brackets. (n %) is the least time that the work can"
        " take at the measured ceilings, as a share of the time that it took.",
        "tokens/s counts finished tokens: batch x canvas / (steps x step + commit)."
        + (" Steps have self-conditioning, as all but the first of a canvas do." if record["step_ms"] else ""),
        "first step ms is the first step of the warm-up, with page faults and reading from disk; no other figure"
        f" contains it. memory is of this kind: {record['peak_memory_kind']}.",
    ]
    if record["profile"]:
        lines.append("An op above 100 % of its ceiling has found its rows in the caches and not in memory.")
    known = [entropy for entropy in entropies if entropy is not None]
    if known and len(known) == len(entropies):
        lines.append(f"Mean entropy: {known[0]:.3f} nats in the first step, {known[-1]:.3f} in the last.")
    return lines + note_lines(records)


def note_lines(records: Sequence[Row]) -> list[str]:
    return [f"Note: {note}." for note in dict.fromkeys(note for record in records for note in record["notes"])]


def ceiling_table(records: Sequence[Record]) -> list[str]:
    rows = [("threads", "ceiling", "instruction set", "rate")]
    seen: list[CeilingEntry] = []
    for record in records:
        for entry in record["ceilings"]:
            if entry not in seen:
                seen.append(entry)
                rows.append((str(entry["num_threads"]), entry["name"], entry["instruction_set"] or "", rate(entry)))
    return table(rows) if seen else []


def rate(entry: CeilingEntry) -> str:
    if entry["bytes_per_s"] is not None:
        return f"{entry['bytes_per_s'] / 1e9:.1f} GB/s"
    return f"{(entry['operations_per_s'] or 0) / 1e9:.0f} GOP/s"


def profile_table(record: Record, phase: str, ops: Sequence[ProfiledOp]) -> list[str]:
    where = f"{record['num_threads']} threads, prompt {record['prompt_tokens']}, batch {record['batch']}"
    plans = [op["plan"] or "" for op in ops]
    has_plans = any(plans)  # on a GPU
    header = ("op", "weight", "types", "calls", "time", "of time", "MB", "GOP", "of ceiling", "bound by")
    rows: list[tuple[str, ...]] = [(*header, "plan") if has_plans else header]
    total_ms = sum(op["ms"] for op in ops)
    for op, plan in zip(ops, plans, strict=True):
        rows.append(
            (
                op["op"],
                op["weight"] or "",
                op["types"],
                str(op["calls"]),
                show_ms(op["ms"]),
                f"{op['ms'] / total_ms:.1%}" if total_ms else "",
                f"{(op['stored_bytes'] + op['activation_bytes']) / 1e6:.1f}",
                f"{(op['float_operations'] + op['int8_operations']) / 1e9:.2f}",
                "" if op["share_of_floor"] is None else f"{op['share_of_floor']:.0%}",
                op["bound"] or "",
                *([plan] if has_plans else []),
            )
        )
    return [f"Ops of {PROFILED[phase]}, {where}: {show_ms(total_ms)}", "", *table(rows)]


def show_spread(spread: Spread) -> str:
    return f"{digits(spread['median'])} [{digits(spread['p10'])}..{digits(spread['p90'])}]"


def digits(ms: float) -> str:
    return f"{ms:.1f}" if ms >= 100 else f"{ms:.3g}"


def percent(share: float | None) -> str:
    return "" if share is None else f" ({share:.0%})"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a Markdown table that is also aligned as plain text. The first row is the header."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(cells[0]))]
    lines = ["| " + " | ".join(x.ljust(w) for x, w in zip(row, widths, strict=True)) + " |" for row in cells]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]
