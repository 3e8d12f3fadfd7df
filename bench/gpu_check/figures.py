"""What a part's log, and the records that it has measured, come to. The keys are the same whatever they say."""

from __future__ import annotations

import json
import re
from typing import Any

from gpu_check.setting import Setting

Figures = dict[str, Any]

# pytest's line for a test, with several processes ("[gw1] [ 5%] PASSED tests/...") or one ("tests/a.py::b PASSED").
TEST = re.compile(r"^(?:\[gw\d+\] \[ *\d+%\] |tests/\S+ )(PASSED|FAILED|ERROR|SKIPPED|XFAIL)", re.MULTILINE)
# Lines of Nsight Compute's section "GPU Speed Of Light Throughput".
COUNTERS = {"duration": "Duration", "memory": "Memory Throughput", "compute": r"Compute \(SM\) Throughput"}
WORDS = {"passed": "PASSED", "failures": "FAILED", "errors": "ERROR", "skipped": "SKIPPED"}


def read_nothing(setting: Setting, log: str) -> Figures:
    return {}


def read_tests(setting: Setting, log: str) -> Figures:
    """Counts the tests, also of a run that was ended: each test has a line as soon as it is done."""
    found = TEST.findall(log)
    return {name: found.count(word) for name, word in WORDS.items()}


def read_answers(setting: Setting, log: str) -> Figures:
    """The objects that gesso_gpu_answers prints, by model and activations."""
    objects = [json.loads(line) for line in log.splitlines() if line.startswith('{"model"')]
    return {"models": {f"{each['model']} {each['activations']}": each for each in objects}}


def read_sanitizer(setting: Setting, log: str) -> Figures:
    """How many errors all runs together have. None: no run has come to its summary."""
    counts = [int(count) for count in re.findall(r"(?:ERROR|RACECHECK) SUMMARY: (\d+)", log)]
    return {"runs": len(counts), "errors": sum(counts) if counts else None}


def read_kernels(setting: Setting, log: str) -> Figures:
    """What Nsight Compute says of each kernel: its name, how long it ran, and shares of the card's peaks in percent."""
    kernels = []
    for line in log.splitlines():
        if match := re.match(r" {2}(\S.*) \(\d+, \d+, \d+\)x\(\d+, \d+, \d+\), Context", line):
            kernels.append({"kernel": match[1]})
        for key, name in COUNTERS.items():
            match = re.match(rf" +{name} +(us|ms|ns|%) +([\d.,]+)", line)
            if match and kernels:
                kernels[-1].setdefault(key, f"{match[2]} {match[1]}")
    return {"kernels": kernels}


def read_measured(setting: Setting, log: str) -> Figures:
    """Times of a step in ms. `gaps_ms` is what a replayed step takes beyond the sum of its ops, each timed alone."""
    records = read_records(setting)
    ops = {record["op"]: op_figures(record) for record in records if record["kind"] == "op"}
    step = next((record for record in records if record["kind"] == "step"), {})
    sum_ms = sum(op["ms_per_step"] for op in ops.values())
    has_both = bool(ops) and bool(step)
    return {
        "ops": ops,
        "ceilings": {r["name"]: r.get("gb_per_s") or r.get("tera_per_s") for r in records if r["kind"] == "ceiling"},
        "sum_of_ops_ms": sum_ms,
        "step_ms": step.get("median_ms"),
        "gaps_ms": step["median_ms"] - sum_ms if has_both else None,
        "floor_ms": step.get("floor_ms"),
        "mean_entropy": step.get("mean_entropy"),
        "tokens_per_s": {str(r["batch"]): r["tokens_per_s"] for r in records if r["kind"] == "generation"},
    }


def op_figures(record: dict[str, Any]) -> Figures:
    ms = record["median_ms"]
    return {
        "ms_per_step": ms * record["calls_per_step"],
        "calls": record["calls_per_step"],
        "gb_per_s": record["bytes"] / ms / 1e6,
        "tera_per_s": record["operations"] / ms / 1e9,
        "plan": record["plan"],
    }


def read_records(setting: Setting) -> list[dict[str, Any]]:
    """What gesso-bench has measured, also in a run that was ended."""
    if not setting.records.exists():
        return []
    records: list[dict[str, Any]] = json.loads(setting.records.read_text(encoding="utf-8"))
    return records
