"""The keys of a record of `gesso bench`, and what stands under each. docs/bench.md says what the keys mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict


class Work(TypedDict):
    """The work of an op or of a pass. The counts may be means, as of the experts that were hit."""

    stored_bytes: float
    activation_bytes: float
    float_operations: float
    int8_operations: float


class TimedWork(Work):
    """Some work, and the time that it took."""

    ms: float


class Op(TimedWork):
    """The calls of one op with one role of weights in one pass: what _native.OpProfile has."""

    op: str
    weight: str  # empty for an op without weights
    types: str
    plan: str  # empty on the CPU
    calls: int


class Floor(TypedDict):
    """The least time that some work takes. All three are None where the ceilings are not known."""

    floor_ms: float | None
    share_of_floor: float | None
    bound: str | None  # "bytes" or "operations"


class ProfiledOp(Work, Floor):
    """An op of a profile. It is an `Op` with its floor, and without an empty name."""

    op: str
    weight: str | None
    types: str
    plan: str | None
    calls: int
    ms: float


class Pass(Work):
    """An encode, a step or a commit of the whole batch."""

    floor_ms: float | None
    share_of_floor: float | None


class Spread(TypedDict):
    """Several measurements of one time."""

    median: float
    p10: float
    p90: float
    samples: list[float]


class Latency(Spread):
    """How long requests took."""

    p95: float


class CeilingEntry(TypedDict):
    """How fast a loop is that does nothing else. One of the two rates is None."""

    name: str
    instruction_set: str | None
    num_threads: int
    bytes_per_s: float | None
    operations_per_s: float | None


class Machine(TypedDict):
    """Where the command ran."""

    cpu: str
    num_processors: int
    memory_bytes: int
    system: str
    python: str
    instruction_sets: list[str]
    int8_kernels: str


class Device(TypedDict):
    """Where the model ran. A CPU has neither memory nor a driver of its own."""

    name: str
    description: str
    memory_bytes: int | None
    driver: str | None


class Weights(TypedDict):
    """What a checkpoint holds."""

    num_layers: int
    weight_bytes: int
    types: dict[str, int]  # type -> bytes


class Subject(Weights):
    """The model that was measured: a file, or random weights, which have no path, no size and no hash."""

    name: str
    path: str | None
    synthetic: str | None
    file_bytes: int | None
    hash: str | None
    hash_method: str | None


class Origin(TypedDict):
    """What all records of a run share."""

    schema: int
    kind: str
    gesso_version: str
    build: str
    date: str
    command: str
    machine: Machine
    model: Subject


class Row(Origin):
    """What the records of both kinds have."""

    device: Device
    activations: str
    num_threads: int
    prompt_tokens: int
    steps: int
    canvas_length: int
    seed: int
    waiting_share: float | None
    peak_memory_bytes: int
    peak_memory_kind: str
    notes: list[str]


class Record(Row):
    """One setting, and what was measured with it. Its kind is "bench"."""

    batch: int
    repetitions: int
    encode_ms: Spread
    step_ms: Spread | None  # None where each canvas had a single step, which has no self-conditioning
    step_without_self_conditioning_ms: Spread
    commit_ms: Spread
    first_canvas_ms: Spread
    encode_tokens_per_s: float
    committed_tokens_per_s: float
    first_encode_ms: float
    first_step_ms: float
    mean_entropy_nats: list[float | None]
    passes: dict[str, Pass]
    first_canvas_share_of_floor: float | None
    ceilings: list[CeilingEntry]
    profile: dict[str, list[ProfiledOp]] | None


class ClientRecord(Row):
    """One load, and how an engine served it. Its kind is "clients"."""

    common_tokens: int
    clients: int | None
    rate: float | None
    requests: int
    canvases: int
    seconds: float
    tokens_per_s: float
    first_text_ms: Latency
    request_ms: Latency
    rows_per_pass: float
    sweeps_per_block: float
    passes: int
    canvas_rows: int
    prompt_rows: int
    committed_rows: int
    prefix_hits: int
    prefix_misses: int
    prefix_hit_tokens: int


def total_work(parts: Iterable[Work]) -> Work:
    """The work of all parts together."""
    total = Work(stored_bytes=0, activation_bytes=0, float_operations=0, int8_operations=0)
    for part in parts:
        total["stored_bytes"] += part["stored_bytes"]
        total["activation_bytes"] += part["activation_bytes"]
        total["float_operations"] += part["float_operations"]
        total["int8_operations"] += part["int8_operations"]
    return total
