"""Draws what `gesso bench --json` wrote: step time by op, step time against context and batch, and how an engine
serves clients.

    python bench/plot.py RESULT.json [-o PREFIX]

PREFIX-ops is drawn from records with a profile, PREFIX-scaling from records that differ in prompt or batch,
PREFIX-clients from those of --clients and --rate. Each is written as PNG and SVG. The script needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]

# The groups from the bottom of a bar to its top. Colour-blind readers can tell the colours apart, too.
GROUPS = {
    "experts: gate, up": "#0072B2",
    "experts: down": "#56B4E9",
    "attention projections": "#009E73",
    "attention": "#8BD3B4",
    "dense MLP": "#E69F00",
    "head, soft embedding": "#D55E00",
    "self-conditioning MLP": "#CC79A7",
    "norms, router, rest": "#999999",
}
DARK = ("#0072B2", "#009E73", "#D55E00")
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"


def group_of(op: Mapping[str, Any]) -> str:
    """The part of the model that an op of a profile belongs to."""
    name, weight = op["op"], op["weight"] or ""
    if weight.startswith("self_cond"):
        return "self-conditioning MLP"
    if name in ("head_stats", "lm_head"):
        return "head, soft embedding"
    if name.startswith("attention"):
        return "attention"
    if name.startswith("expert_gated") or name == "expert_linear":
        return "experts: gate, up" if name.startswith("expert_gated") else "experts: down"
    if name in ("linear", "linears") and weight.startswith("attn_"):
        return "attention projections"
    if name == "gated_linear" or (name == "linear" and weight == "ffn_down"):
        return "dense MLP"
    return "norms, router, rest"


def group_ms(profile: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    sums = dict.fromkeys(GROUPS, 0.0)
    for op in profile:
        sums[group_of(op)] += op["ms"]
    return sums


def linear_fit(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float, float]:
    """Slope and start of the best line, and the largest distance of a point from it, as a share of the line's value
    there."""
    count, mean_x, mean_y = len(xs), sum(xs) / len(xs), sum(ys) / len(ys)
    variance = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / variance if variance else 0.0
    start = mean_y - slope * mean_x
    worst = max(abs(ys[i] / (start + slope * xs[i]) - 1) for i in range(count))
    return slope, start, worst


def main_types(types: Mapping[str, int]) -> str:
    """The one or two types that hold most bytes of the weights."""
    return ", ".join(sorted(types, key=types.get, reverse=True)[:2])


def title(record: Record) -> str:
    model = record["model"]
    name = model.get("synthetic") or f"{model['name']} ({main_types(model['types'])})"
    threads = (
        f"{record['num_threads']} threads" if record["device"]["name"] == "cpu" else record["device"]["description"]
    )
    return (
        f"{name}, {model['num_layers']} layers, {record['activations']} activations\n"
        f"{record['machine']['cpu']}, {threads}, gesso {record['gesso_version']}"
    )


def context_label(tokens: int) -> str:
    return f"{tokens / 1024:g}k" if tokens >= 1024 and tokens % 512 == 0 else str(tokens)


def draw_ops(records: Sequence[Record], axes: Any) -> None:
    """One bar for each record with a profile. Times are divided by the number of canvases, so that batches can be
    compared."""
    labels = [f"context {context_label(r['prompt_tokens'])}\nbatch {r['batch']}" for r in records]
    columns = [
        {group: ms / record["batch"] for group, ms in group_ms(record["profile"]["step"]).items()} for record in records
    ]
    bottoms = [0.0] * len(records)
    tallest = max(sum(column.values()) for column in columns)
    for group, colour in GROUPS.items():
        heights = [column[group] / 1000 for column in columns]
        bars = axes.bar(labels, heights, bottom=bottoms, color=colour, label=group, width=0.6)
        for bar, height, bottom, column in zip(bars, heights, bottoms, columns, strict=True):
            if 1000 * height > 0.035 * tallest:
                share = f"{height:.2f} s, {100_000 * height / sum(column.values()):.0f} %"
                middle, text = bar.get_x() + bar.get_width() / 2, "white" if colour in DARK else "black"
                axes.text(middle, bottom + height / 2, share, ha="center", va="center", color=text)
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    for position, total in enumerate(bottoms):
        axes.text(position, total, f"{total:.2f} s", ha="center", va="bottom", fontweight="bold")
    axes.set_ylabel("seconds per canvas of a denoising step, all included")
    axes.margins(x=0.25 if len(records) == 1 else 0.08, y=0.08)
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def draw_series(records: Sequence[Record], across: str, apart: str, axes: Any) -> None:
    """Step time against the field `across`. Each value of the field `apart` with at least two points gets a line."""
    names = {"prompt_tokens": "context", "batch": "batch"}
    styles = zip(LINES, MARKERS, strict=True)
    for value in sorted({record[apart] for record in records}):
        points = sorted((r for r in records if r[apart] == value), key=lambda record: record[across])
        if len(points) < 2:
            continue
        colour, marker = next(styles)
        xs = [point[across] for point in points]
        times = [point["step_ms"] for point in points]
        ys = [time["median"] / 1000 for time in times]
        errors = [[(t["median"] - t["p10"]) / 1000 for t in times], [(t["p90"] - t["median"]) / 1000 for t in times]]
        slope, start, worst = linear_fit(xs, ys)
        label = f"{names[apart]} {context_label(value) if apart == 'prompt_tokens' else value}"
        if len(points) > 2:
            label += f" (within {100 * worst:.1f} % of a line)"
        axes.errorbar(xs, ys, errors, fmt=marker, color=colour, capsize=3, label=label)
        axes.plot([0, xs[-1]], [start, start + slope * xs[-1]], "--", color=colour, linewidth=1)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("seconds per denoising step (median, 10th to 90th percentile)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="best")


def draw_scaling(records: Sequence[Record], across: str, axes: Any) -> None:
    """Step time against context or batch. Each value of the other one gets a line."""
    ticks = sorted({record[across] for record in records})
    if across == "prompt_tokens":
        draw_series(records, across, "batch", axes)
        axes.set_xlabel("tokens of context before the canvas")
        ticks = [tick for tick in ticks if tick >= ticks[-1] / 16]  # smaller ones would overlap
        axes.set_xticks(ticks, [context_label(tick) for tick in ticks])
    else:
        draw_series(records, across, "prompt_tokens", axes)
        axes.set_xlabel(f"canvases per step ({records[0]['canvas_length']} tokens each)")
        axes.set_xticks(ticks)


def draw_load(records: Sequence[Record], across: str, rate_axes: Any, time_axes: Any) -> None:
    """Tokens per second, and the times of requests, against the number of clients or the rate of requests. Each prompt
    length has a colour."""
    names = {"clients": "clients", "rate": "requests per second"}
    times = (("first_text_ms", "first text", "o"), ("request_ms", "request", "s"))
    for prompt, colour in zip(sorted({record["prompt_tokens"] for record in records}), LINES, strict=False):
        points = sorted((r for r in records if r["prompt_tokens"] == prompt), key=lambda record: record[across])
        xs = [point[across] for point in points]
        label = f"prompt {context_label(prompt)}"
        rate_axes.plot(xs, [point["tokens_per_s"] for point in points], "o-", color=colour, label=label)
        for key, name, marker in times:
            for part, word, line in (("median", "median", "-"), ("p95", "95th percentile", "--")):
                seconds = [point[key][part] / 1000 for point in points]
                time_axes.plot(xs, seconds, line, marker=marker, color=colour, label=f"{name}, {word}, {label}")
    for axes, label in ((rate_axes, "committed tokens per second"), (time_axes, "seconds since a request arrived")):
        axes.set_xlabel(names[across])
        axes.set_ylabel(label)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, loc="best")


def save(figure: Any, path: str) -> None:
    for suffix in ("png", "svg"):
        figure.savefig(f"{path}.{suffix}", dpi=150, bbox_inches="tight")
        print(f"{path}.{suffix}")


def draw(records: Sequence[Record], prefix: str) -> int:
    """Draws all plots that the records allow, and returns how many."""
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    plots = 0
    loads = [(across, [r for r in records if r.get(across) is not None]) for across in ("clients", "rate")]
    loads = [(across, group) for across, group in loads if group]
    if loads:
        figure, panels = plt.subplots(len(loads), 2, figsize=(13, 5.5 * len(loads)), squeeze=False)
        for (across, group), axes in zip(loads, panels, strict=True):
            draw_load(group, across, *axes)
        figure.suptitle(title(records[0]))
        save(figure, f"{prefix}-clients")
        plots += 1
    records = [record for record in records if record["kind"] == "bench"]
    profiled = [record for record in records if record.get("profile")]
    if profiled:
        figure, axes = plt.subplots(figsize=(4.5 + 1.6 * len(profiled), 6.5))
        draw_ops(profiled, axes)
        axes.set_title(title(profiled[0]), pad=12)
        save(figure, f"{prefix}-ops")
        plots += 1
    varied = [field for field in ("prompt_tokens", "batch") if len({record[field] for record in records}) > 1]
    if varied:
        figure, panels = plt.subplots(1, len(varied), figsize=(6.5 * len(varied), 5.5), squeeze=False)
        for field, axes in zip(varied, panels[0], strict=True):
            draw_scaling(records, field, axes)
        figure.suptitle(title(records[0]))
        save(figure, f"{prefix}-scaling")
        plots += 1
    return plots


def read_records(file: Path) -> list[Record]:
    """The records of `gesso bench` in the file. They must all be of one model on one machine."""
    records = [record for record in json.loads(file.read_text()) if record.get("kind") in ("bench", "clients")]
    if not records:
        raise ValueError(f"{file}: no records of `gesso bench`")
    titles = {title(record) for record in records}
    if len(titles) > 1:
        raise ValueError(
            f"{file}: expected one model, device and number of threads, got " + " and ".join(sorted(titles))
        )
    return records


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result", type=Path, metavar="RESULT.json")
    parser.add_argument("-o", dest="prefix", help="default: the result's name without .json")
    options = parser.parse_args(arguments)
    prefix = options.prefix or str(options.result.with_suffix(""))
    try:
        if draw(read_records(options.result), prefix) == 0:
            raise ValueError(f"{options.result}: neither a profile nor different contexts or batches")
    except (OSError, ValueError, ImportError) as error:
        print(f"plot: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
