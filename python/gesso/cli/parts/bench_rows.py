"""Measures the rows of `gesso bench`, one after the other, and shows how far it has come."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import product

from gesso import _native
from gesso.loading import warn_of_unused_gpu
from gesso.measure.bench import Setting, measure
from gesso.measure.client_record import make_client_record
from gesso.measure.client_report import show_load
from gesso.measure.clients import Load, measure_load
from gesso.measure.floor import Ceilings, measure_ceilings
from gesso.measure.record import make_origin, make_record
from gesso.measure.record_types import ClientRecord, Record
from gesso.measure.subject import Subject
from gesso.model import Model
from gesso.terminal.progress import Progress


def measure_all(options: argparse.Namespace, subject: Subject) -> Iterator[Record]:
    settings = [
        Setting(prompt, batch, options.steps, options.repetitions, options.profile, options.seed)
        for prompt, batch in product(options.prompt_tokens, options.batch)
    ]
    checkpoint = open_weights(subject)
    origin = make_origin(subject.description, ["gesso", *options.arguments], "bench")
    threads = options.threads or [0]
    with Progress("bench", "runs") as progress:
        rows = Rows(progress, len(threads) * len(settings), options.repetitions + 1)
        for num_threads in threads:
            model = make_model(checkpoint, options, num_threads)
            ceilings = None
            for setting in settings:
                on_done = rows.begin(model, f"prompt {setting.prompt_tokens}, batch {setting.batch}")
                found = measure(model, setting, on_done)
                # The ceilings are measured after the first row: while the file is still being read, they would come
                # out too low.
                if ceilings is None:
                    ceilings = measure_ceilings(model.num_threads) if model.device == "cpu" else Ceilings()
                yield make_record(origin, model, setting, found, ceilings)


def measure_loads(options: argparse.Namespace, subject: Subject) -> Iterator[ClientRecord]:
    kinds: list[tuple[int | None, float | None]] = [(clients, None) for clients in options.clients]
    kinds += [(None, rate) for rate in options.rate]
    loads = [
        Load(prompt, options.common, clients, rate, options.requests, options.canvases, options.steps, options.seed)
        for prompt, (clients, rate) in product(options.prompt_tokens, kinds)
    ]
    checkpoint = open_weights(subject)
    origin = make_origin(subject.description, ["gesso", *options.arguments], "clients")
    threads = options.threads or [0]
    with Progress("bench", "requests") as progress:
        rows = Rows(progress, len(threads) * len(loads), options.requests)
        for num_threads in threads:
            model = make_model(checkpoint, options, num_threads)
            for load in loads:
                on_done = rows.begin(model, f"prompt {load.prompt_tokens}, {show_load(load.clients, load.rate)}")
                yield make_client_record(origin, model, load, measure_load(model, load, on_done))


def open_weights(subject: Subject) -> _native.Checkpoint:
    with Progress("weights") as progress:
        return subject.open(progress.update)


def make_model(checkpoint: _native.Checkpoint, options: argparse.Namespace, num_threads: int) -> Model:
    native = _native.Model(
        checkpoint, options.device, num_threads, options.activations, copy_weights=options.copy_weights
    )
    warn_of_unused_gpu(options.device, native)
    return Model(native)


class Rows:
    """Shows the progress of `num_rows` rows. Each of them counts up to `length`."""

    def __init__(self, progress: Progress, num_rows: int, length: int):
        self._progress, self._total, self._length = progress, num_rows * length, length
        self._begun = 0

    def begin(self, model: Model, title: str) -> Callable[[int], None]:
        """Begins the next row. Returns the function that takes how far the row has come."""
        first = self._begun * self._length
        self._begun += 1

        def show(done: int) -> None:
            self._progress.update(first + done, self._total, f"{model.num_threads} threads, {title}")

        show(0)
        return show
