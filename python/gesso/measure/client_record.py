"""Makes the records of `gesso bench --clients` and `--rate`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gesso.measure.clients import Load, LoadMeasurements
from gesso.measure.record import device_record, machine_notes, spread, work_notes
from gesso.measure.record_types import ClientRecord, Latency, Origin
from gesso.model import Model


def make_client_record(origin: Origin, model: Model, load: Load, found: LoadMeasurements) -> ClientRecord:
    """Returns the record of one load. docs/bench.md describes every key."""
    counters, canvas_length = found.counters, model.config.canvas_length
    rows = counters["canvas_rows"] + counters["prompt_rows"] + counters["committed_rows"]
    return {
        **origin,
        "device": device_record(model.device),
        "activations": model.activations,
        "num_threads": model.num_threads,
        "prompt_tokens": load.prompt_tokens,
        "common_tokens": load.common_tokens,
        "clients": load.clients,
        "rate": load.rate,
        "requests": load.requests,
        "canvases": load.canvases,
        "steps": load.steps,
        "canvas_length": canvas_length,
        "seed": load.seed,
        "seconds": found.seconds,
        "tokens_per_s": load.requests * load.canvases * canvas_length / found.seconds,
        "first_text_ms": latency(found.first_text_ms),
        "request_ms": latency(found.request_ms),
        "rows_per_pass": rows / counters["passes"],
        "sweeps_per_block": float(np.mean(found.sweeps_per_block)),
        "passes": counters["passes"],
        "canvas_rows": counters["canvas_rows"],
        "prompt_rows": counters["prompt_rows"],
        "committed_rows": counters["committed_rows"],
        "prefix_hits": counters["prefix_hits"],
        "prefix_misses": counters["prefix_misses"],
        "prefix_hit_tokens": counters["prefix_hit_tokens"],
        "waiting_share": found.waiting_share,
        "peak_memory_bytes": found.peak_memory_bytes,
        "peak_memory_kind": found.peak_memory_kind,
        "notes": work_notes(load.steps) + machine_notes(model, found.waiting_share),
    }


def latency(samples: Sequence[float]) -> Latency:
    return {**spread(samples), "p95": float(np.percentile(samples, 95))}
