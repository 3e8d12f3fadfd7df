"""bench/peers: programs run in turns, ratios are formed within a turn, and each program runs in its own process.

The tests need none of the other programs.
"""

import io
import json
import sys
from pathlib import Path

import pytest

import compare

PEERS = Path(__file__).parents[3] / "bench/peers"


@pytest.fixture
def run(monkeypatch):
    monkeypatch.syspath_prepend(PEERS)
    import run

    return run


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.syspath_prepend(PEERS)
    import worker

    return worker


class FakeWorker:
    def __init__(self, times):
        self.times, self.asked = iter(times), []

    def run(self, work):
        self.asked.append(work)
        wall = next(self.times)
        return {"wall_ms": wall, "cpu_ms": 2 * wall}


def test_runtimes_take_turns_and_the_first_turn_does_not_count(run):
    ours, theirs = FakeWorker([99.0, 1.0, 9.0, 2.0, 9.0]), FakeWorker([99.0, 4.0, 10.0])
    ours.times = iter([99.0, 99.0, 1.0, 3.0, 2.0, 3.0])
    works = [("gesso", run.PARTS), ("llama.cpp", run.PARTS), ("gesso", run.STEP)]
    samples = run.take_turns({"gesso": ours, "llama.cpp": theirs}, works, turns=2)
    assert ours.asked == [run.PARTS, run.STEP] * 3
    assert [sample["wall_ms"] for sample in samples["gesso", run.PARTS]] == [1.0, 2.0]
    assert [sample["wall_ms"] for sample in samples["llama.cpp", run.PARTS]] == [4.0, 10.0]
    record = run.ratio_record(run.RATIOS["llama.cpp"][0], samples)
    assert record["wall_ratio"]["samples"] == [0.25, 0.2]
    assert record["cpu_ratio"]["samples"] == [0.25, 0.2]
    assert (record["runtime"], record["work"], record["bound"]) == ("gesso / llama.cpp", run.PARTS, 0.6)


@pytest.mark.parametrize(("ratio", "word"), [(0.6, "within 0.6"), (0.61, "MISSES 0.6")])
def test_a_bound_is_kept_or_missed(run, ratio, word):
    spread = {"median": ratio, "p10": ratio, "p90": ratio}
    record = {"quant": "Q8_0", "runtime": "a / b", "work": run.PARTS, "bound": 0.6}
    assert run.show(record | {"wall_ratio": spread, "cpu_ratio": spread}).endswith(word)


def test_records_are_told_apart(run):
    pair = [{"wall_ms": 1.0, "cpu_ms": 1.0}]
    samples = {(runtime, work): pair for runtime in ("gesso", "llama.cpp") for work in (run.PARTS, run.STEP)}
    records = [{"kind": "peer", "peer": "llama.cpp", **run.ratio_record(r, samples)} for r in run.RATIOS["llama.cpp"]]
    assert len(compare.by_identity(records, "file")) == len(records)


def test_too_little_memory_is_refused_with_numbers(run, monkeypatch):
    monkeypatch.setattr(run, "available_bytes", lambda: 9_000_000_000)
    with pytest.raises(MemoryError, match=r"llama.cpp beside gesso needs about 10.0 GB, 9.0 GB are free"):
        run.check_memory("llama.cpp", 4_000_000_000, 6)
    run.check_memory("llama.cpp", 2_000_000_000, 6)


def test_serving(worker, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("nap\nnap\n"))
    worker.serve({"version": "1"}, {"nap": worker.timed(lambda: None)})
    first, *samples = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first == {"version": "1"}
    assert [set(sample) for sample in samples] == [{"wall_ms", "cpu_ms"}] * 2


def test_a_worker_that_fails_is_an_error(worker):
    with pytest.raises(RuntimeError, match="gesso_worker.py ended with status 1"):
        worker.Worker("gesso_worker.py", "no such file", "1", "f32")


def test_gesso_answers(worker):
    model = PEERS.parents[1] / "python/gesso/bundled/sudoku-6x6.gguf"
    ours = worker.Worker("gesso_worker.py", str(model), "1", "int8")
    assert ours.about["activations"] == "int8"
    samples = [ours.run(work) for work in ("layers and head", "whole step")]
    ours.close()
    assert all(sample["wall_ms"] > 0 for sample in samples)
    assert ours.process.returncode == 0
