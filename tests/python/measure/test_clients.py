"""`gesso bench --clients` and `--rate`: its rows, its counts, computed here by hand, and what it refuses.

No test depends on a time.
"""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import gesso
from gesso.cli import program as cli
from gesso.measure import clients
from gesso.measure.clients import Load, arrival_times, make_prompts, measure_load
from python.tiny_model import tiny_model

DOCUMENT = Path(__file__).parents[3] / "docs/bench.md"
C = 8  # the canvas of the model in tests/python/tiny_model.py
PROMPT, REQUESTS, CANVASES, STEPS = 5, 4, 2, 3


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tiny_model(tmp_path_factory.mktemp("clients") / "tiny.gguf"))


@pytest.fixture
def run_bench(path, capsys):
    """Returns a function that runs the command on the tiny model and returns what it has printed."""

    def call(*arguments, prompt=PROMPT):
        shape = ["--requests", str(REQUESTS), "--canvases", str(CANVASES), "--steps", str(STEPS), "--device", "cpu"]
        assert cli.main(["bench", path, "-p", str(prompt), "-t", "2", *shape, *arguments]) == 0
        return capsys.readouterr().out

    return call


def test_a_row_for_each_load(run_bench):
    records = json.loads(run_bench("--clients", "1,3", "--rate", "500,1000", "--json"))
    rows = [(record["clients"], record["rate"]) for record in records]
    assert rows == [(1, None), (3, None), (None, 500.0), (None, 1000.0)]
    for record in records:
        assert (record["kind"], record["requests"], record["canvases"]) == ("clients", REQUESTS, CANVASES)
        assert record["canvas_rows"] == REQUESTS * CANVASES * STEPS * C
        assert (record["prompt_rows"], record["committed_rows"]) == (REQUESTS * PROMPT, REQUESTS * (CANVASES - 1) * C)
        assert CANVASES * STEPS <= record["passes"] <= REQUESTS * CANVASES * STEPS
        rows = record["canvas_rows"] + record["prompt_rows"] + record["committed_rows"]
        assert record["rows_per_pass"] == pytest.approx(rows / record["passes"])
        assert record["tokens_per_s"] == pytest.approx(REQUESTS * CANVASES * C / record["seconds"])
        for first, whole in zip(record["first_text_ms"]["samples"], record["request_ms"]["samples"], strict=True):
            assert 0 < first < whole <= 1e3 * record["seconds"]
        for times in (record["first_text_ms"], record["request_ms"]):
            assert len(times["samples"]) == REQUESTS
            assert times["median"] <= times["p90"] <= times["p95"] <= max(times["samples"])


def test_one_client_sweeps_as_often_as_it_steps(run_bench):
    """A prompt or a canvas that is encoded in a pass of its own would add to the passes."""
    (record,) = json.loads(run_bench("--clients", "1", "--json"))
    assert record["sweeps_per_block"] == STEPS
    assert record["passes"] == REQUESTS * CANVASES * STEPS


def test_clients_that_take_turns_wait(tmp_path):
    """Canvases of 256 have passes of their own on the CPU. So one of two clients waits while the other one's runs."""
    model = gesso.load(tiny_model(tmp_path / "long.gguf", canvas_length=256, max_position_embeddings=2048), "cpu", 2)
    found = measure_load(model, Load(PROMPT, 0, 2, None, 10, 2, STEPS))
    assert found.counters["passes"] == 10 * 2 * STEPS
    assert STEPS <= np.mean(found.sweeps_per_block) <= 2 * STEPS and max(found.sweeps_per_block) > STEPS


def test_clients_without_a_request_take_no_thread(run_bench, monkeypatch):
    threads = []

    class Pool(clients.ThreadPoolExecutor):
        def submit(self, *arguments):
            threads.append(arguments)
            return super().submit(*arguments)

    monkeypatch.setattr(clients, "ThreadPoolExecutor", Pool)
    (record,) = json.loads(run_bench("--clients", "65536", "--json"))
    assert record["clients"] == 65536 and len(record["request_ms"]["samples"]) == len(threads) == REQUESTS


def test_prompts_with_a_common_beginning_hit(run_bench):
    (apart,) = json.loads(run_bench("--clients", "1", "--json", prompt=3 * C))
    assert (apart["prefix_hits"], apart["prefix_misses"], apart["prefix_hit_tokens"]) == (0, REQUESTS, 0)
    (common,) = json.loads(run_bench("--clients", "1", "--common", str(2 * C), "--json", prompt=3 * C))
    assert (common["prefix_hits"], common["prefix_misses"]) == (REQUESTS - 1, 1)
    assert common["prefix_hit_tokens"] == (REQUESTS - 1) * 2 * C
    assert common["prompt_rows"] == apart["prompt_rows"] - common["prefix_hit_tokens"]


def test_prompts(path):
    model = gesso.load(path, "cpu", 1)
    prompts = make_prompts(model, Load(20, 12, 1, None, 5, 1, 1, seed=3))
    assert {len(prompt) for prompt in prompts} == {20} and len({tuple(prompt[:12]) for prompt in prompts}) == 1
    assert len({tuple(prompt) for prompt in prompts}) == 5
    assert prompts == make_prompts(model, Load(20, 12, 4, None, 5, 1, 1, seed=3))
    assert prompts != make_prompts(model, Load(20, 12, 1, None, 5, 1, 1, seed=4))


def test_arrivals_are_those_of_a_poisson_process():
    """The gaps have the mean 1 / rate, and as large a standard deviation. They depend on the seed alone."""
    times = arrival_times(Load(5, 0, None, 2.0, 20_000, 1, 1))
    gaps = np.diff(times)
    assert times[0] == 0 and gaps.min() > 0
    assert gaps.mean() == pytest.approx(0.5, rel=0.03) and gaps.std() == pytest.approx(0.5, rel=0.03)
    assert arrival_times(Load(9, 0, None, 2.0, 9, 4, 4)) == times[:9]
    assert arrival_times(Load(5, 0, None, 2.0, 9, 1, 1, seed=1)) != times[:9]


@pytest.mark.parametrize(("number", "rate"), [(3, None), (None, 1000.0)])
def test_a_request_that_fails_ends_the_row(path, monkeypatch, number, rate):
    class Failing(clients.Sent):
        def wait(self):
            super().wait()
            if self._load.requests > 1:  # not in the warm-up
                raise gesso.NumericsError("broken")

    monkeypatch.setattr(clients, "Sent", Failing)
    with pytest.raises(gesso.NumericsError, match="broken"):
        measure_load(gesso.load(path, "cpu", 1), Load(PROMPT, 0, number, rate, 50, 2, 2))


def test_every_key_is_documented(run_bench):
    (record,) = json.loads(run_bench("--clients", "2", "--json"))
    known = set(re.findall(r"`(\w+)`", DOCUMENT.read_text()))
    nested = {name for value in record.values() if isinstance(value, dict) for name in value}
    assert (set(record) | nested) - known == set()


def test_csv_has_a_line_per_row(run_bench):
    rows = list(csv.DictReader(io.StringIO(run_bench("--clients", "1,2", "--csv"))))
    assert [row["clients"] for row in rows] == ["1", "2"]
    assert float(rows[0]["request_ms_p95"]) >= float(rows[0]["request_ms_median"]) > 0


def test_markdown_names_each_load(run_bench):
    out = run_bench("--clients", "1,2", "--rate", "800")
    lines = out.splitlines()
    header = next(line for line in lines if "first text s" in line)
    rows = lines[lines.index(header) + 2 :][:3]
    assert [row.split("|")[3].strip() for row in rows] == ["1 client", "2 clients", "800 per second"]
    assert f"{REQUESTS} requests. Each has {CANVASES} canvases of {STEPS} steps." in out and "random tokens" in out


def test_ctrl_c_prints_what_was_measured(run_bench, path, capsys, monkeypatch):
    original = clients.Sent.wait

    def wait(self):
        if self._load.clients == 2:
            raise KeyboardInterrupt
        original(self)

    monkeypatch.setattr(clients.Sent, "wait", wait)
    arguments = ["-p", "5", "--requests", "2", "--canvases", "1", "--steps", "2", "--clients", "1,2", "--json"]
    assert cli.main(["bench", path, *arguments]) == 130
    assert [x["clients"] for x in json.loads(capsys.readouterr().out)] == [1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--requests", "3"], "--requests needs --clients or --rate"),
        (["--common", "3"], "--common needs --clients or --rate"),
        (["--clients", "1", "-b", "2"], "--batch does not go with --clients or --rate"),
        (["--rate", "1", "--profile"], "--profile does not go with --clients or --rate"),
        (["--clients", "0"], "--clients: expected an integer from 1 to 65536, got '0'"),
        (["--clients", "1,65537"], "--clients: expected an integer from 1 to 65536, got '65537'"),
        (["--rate", "1,0"], "--rate: expected a number > 0, got '0'"),
        (["--rate", "nan"], "--rate: expected a number > 0, got 'nan'"),
    ],
)
def test_wrong_usage(path, capsys, arguments, message):
    with pytest.raises(SystemExit) as error:
        cli.main(["bench", path, *arguments])
    assert error.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "5,9", "--common", "5"], "--common: expected less than the shortest prompt, of 5 tokens, got 5"),
        (["-p", "500", "--canvases", "2"], "500 tokens and 2 canvases of 8 are more than the model's context of 512"),
    ],
)
def test_sizes_that_do_not_fit(path, capsys, arguments, message):
    assert cli.main(["bench", path, "--clients", "1", *arguments]) == 2
    assert message in capsys.readouterr().err
