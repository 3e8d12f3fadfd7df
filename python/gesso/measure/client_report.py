"""Writes the records of `gesso bench --clients` and `--rate` as a Markdown table. CSV and JSON are as those of
`gesso bench`."""

from __future__ import annotations

from collections.abc import Sequence

from gesso.measure.record_types import ClientRecord, Latency
from gesso.measure.report import heading, note_lines, table
from gesso.measure.text import visible


def to_markdown(records: Sequence[ClientRecord]) -> str:
    if not records:
        return "Nothing was measured.\n"
    lines = [*heading(records[0]), "", *main_table(records), "", *legend(records)]
    return visible("\n".join(lines)) + "\n"


def main_table(records: Sequence[ClientRecord]) -> list[str]:
    rows = [
        (
            *("threads", "prompt", "load", "tokens/s", "first text s", "request s"),
            *("rows per pass", "sweeps per block", "prefix hits"),
        )
    ]
    for record in records:
        rows.append(
            (
                str(record["num_threads"]),
                str(record["prompt_tokens"]),
                show_load(record["clients"], record["rate"]),
                f"{record['tokens_per_s']:.2f}",
                show_latency(record["first_text_ms"]),
                show_latency(record["request_ms"]),
                f"{record['rows_per_pass']:.0f}",
                f"{record['sweeps_per_block']:.1f}",
                f"{record['prefix_hits']} of {record['prefix_hits'] + record['prefix_misses']}",
            )
        )
    return table(rows)


def show_load(clients: int | None, rate: float | None) -> str:
    if clients is None:
        return f"{rate:g} per second"
    return "1 client" if clients == 1 else f"{clients} clients"


def show_latency(latency: Latency) -> str:
    return f"{latency['median'] / 1e3:.3g} / {latency['p95'] / 1e3:.3g}"


def legend(records: Sequence[ClientRecord]) -> list[str]:
    """Returns what the columns mean, and the notes on the rows."""
    record = records[0]
    begin = f", of which the first {record['common_tokens']} are common to all" if record["common_tokens"] else ""
    canvases = "one canvas" if record["canvases"] == 1 else f"{record['canvases']} canvases"
    return [
        f"Each row has {record['requests']} requests. Each has {canvases} of {record['steps']} steps."
        f" Prompts are as long as the row says{begin}.",
        "A client sends its next request when its last one has ended. At a rate, requests arrive at random times.",
        "Times are the median and the 95th percentile: until a request's first canvas, and until its last one.",
        "Sweeps per block are the passes from a request's first step to its last one, divided by its canvases. A"
        f" request that never waits for a place has {record['steps']}.",
        *note_lines(records),
    ]
