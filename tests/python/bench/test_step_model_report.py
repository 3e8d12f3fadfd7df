"""bench/gpu/step_model: its tables, its goals, and how it compares itself with measured times."""

import json

import pytest

from gpu.step_model import goals, measured, table
from gpu.step_model.__main__ import parse
from gpu.step_model.assumptions import CARDS, DATA_SHEET_FLOORS, SUSPECTS
from gpu.step_model.bounds import Occupancy
from gpu.step_model.prediction import Entry, Prediction

SPREAD = {"p10_ms": 0.9, "p90_ms": 1.2, "num_samples": 15}


def entry(name, launches, ms, **bounds):
    found = Entry(name, launches, list(ms))
    found.bounds.update(bounds)
    return found


@pytest.fixture
def prediction():
    ops = [
        entry("linear attn_q", 90, (0.5, 1.0, 2.0), smem=0.9, launch=0.1),
        entry("attention sliding", 25, (1.0, 1.5, 2.0), latency=1.4),
        entry("attention full", 5, (0.1, 0.2, 0.3), latency=0.2),
        entry("route", 60, (0.1, 0.2, 0.3), launch=0.2),
    ]
    experts = entry("experts down", 30, (4.0, 5.0, 7.0), dram=4.0, smem=1.0)
    experts.floor_ms = 2.5
    experts.occupancies = {Occupancy(4, 16), Occupancy(2, 8)}
    lines = [entry("attention", 30, (1.1, 1.7, 2.3), latency=1.7), experts]
    return Prediction("H200", "Q4_K_M", 1, 1024, lines, ops, entry("launch gaps", 180, (0.1, 0.2, 0.3), launch=0.2))


def record(op, calls, median_ms, **more):
    origin = {"rows": 256, "canvases": 1, "cached": 1024, "device": "NVIDIA H200"}
    return {"kind": "op", "op": op, "calls_per_step": calls, "median_ms": median_ms} | SPREAD | origin | more


def write(tmp_path, records):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(records))
    return path


def lines_of(tmp_path, records, prediction):
    found = measured.read_measured(write(tmp_path, records))
    return list(measured.comparison(found, prediction))


def test_records_of_the_gpu_benchmark(tmp_path, prediction):
    """A record has the time of one call. The interval holds all calls of a step."""
    step = record("", 0, 6.0) | {"kind": "step"}
    records = [record("linear attn_q", 30, 0.04), record("attention full", 5, 0.2), step]
    records += [record("route", 30, 0.001), record("embed", 1, 0.1), {"kind": "ceiling", "name": "memory"}]
    _, *rows, missing, unmeasured = lines_of(tmp_path, records, prediction)
    by_op = {row[:44].strip(): row[44:].split(None, 5) for row in rows}
    assert list(by_op) == ["step", "attention full", "linear attn_q", "route"]  # the largest difference first
    assert by_op["linear attn_q"] == ["1.200", "1.000", "0.500", "..", "2.000", "1.20  as predicted"]
    assert by_op["attention full"][-1] == f"5.00  slower than pessimistic; latency: {SUSPECTS['latency']}"
    assert by_op["route"][-1] == f"0.15  faster than optimistic; launch: {SUSPECTS['launch']}"
    assert by_op["step"][:2] == ["6.000", f"{prediction.total_ms[1]:.3f}"]
    assert missing == "measured, but not in the model: embed"
    assert unmeasured == "predicted, but not measured: attention sliding"


def test_records_of_gesso_bench(tmp_path, prediction):
    """A profile has the time of all calls of an op, of both kinds of layers together."""
    profile = [{"op": "linear", "weight": "attn_q", "ms": 1.2}, {"op": "attention", "weight": None, "ms": 1.7}]
    bench = {"kind": "bench", "batch": 1, "prompt_tokens": 1024, "step_ms": {"median": 7.0}}
    bench |= {"device": {"name": "cuda:0", "description": "NVIDIA H200"}, "profile": {"step": profile}}
    found = measured.read_measured(write(tmp_path, [bench]))
    assert [(each.op, each.ms) for each in found] == [("step", 7.0), ("linear attn_q", 1.2), ("attention", 1.7)]
    assert {(each.canvases, each.cached, measured.card_of(each.device)) for each in found} == {(1, 1024, "H200")}
    attention = measured.predicted(found[2], prediction)
    assert attention.ms == pytest.approx([1.1, 1.7, 2.3]) and attention.launches == 30


def test_an_op_is_not_another_with_a_longer_name():
    assert measured.matches("attention", "attention sliding")
    assert measured.matches("head_stats token_embd", "head_stats")
    assert not measured.matches("rms_norm", "rms_norm_add")
    assert not measured.matches("linear attn_q", "linear attn_k")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "op"}, "expected a list of records, got dict"),
        ([{"kind": "clients"}], "none of its 1 records has the times of ops or of a step"),
    ],
)
def test_files_without_times(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        measured.read_measured(write(tmp_path, content))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"median_ms": "fast"}, "median_ms: expected int or float, got 'fast'"),
        ({"median_ms": None}, "median_ms: expected int or float, got None"),
        ({"median_ms": float("nan")}, "median_ms: expected a number above 0, got nan"),
        ({"median_ms": float("inf")}, "median_ms: expected a number above 0, got inf"),
        ({"median_ms": 0}, "median_ms: expected a number above 0, got 0"),
        ({"calls_per_step": -1}, "calls_per_step: expected a number above 0, got -1"),
        ({"calls_per_step": True}, "calls_per_step: expected int or float, got True"),
        ({"canvases": 0}, "canvases: expected 1 to 1048576, got 0"),
        ({"canvases": 1.5}, "canvases: expected int, got 1.5"),
        ({"cached": 10**9}, "cached: expected 0 to 1048576, got 1000000000"),
        ({"op": 3}, "op: expected str, got 3"),
        ({"device": None}, "device: expected str, got None"),
    ],
)
def test_records_with_faults(tmp_path, changed, message):
    records = [record("route", 1, 1.0), record("route", 1, 1.0) | changed]
    with pytest.raises(ValueError, match=f"result.json: record 1: {message}"):
        measured.read_measured(write(tmp_path, records))


@pytest.mark.parametrize("name", ["calls_per_step", "median_ms", "canvases", "cached", "device", "kind"])
def test_records_without_a_field(tmp_path, name):
    records = [{key: value for key, value in record("route", 1, 1.0).items() if key != name}]
    with pytest.raises(ValueError, match=f"result.json: record 0: expected a field {name}"):
        measured.read_measured(write(tmp_path, records))


@pytest.mark.parametrize("text", ["", "{", "[" * 100000, "\udcff"])
def test_files_that_are_no_json(tmp_path, text):
    path = tmp_path / "result.json"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(ValueError, match="result.json: expected JSON: "):
        measured.read_measured(path)


@pytest.mark.parametrize(
    ("option", "value", "least"),
    [("canvases", "0", 1), ("canvases", "-1", 1), ("canvases", "9" * 20, 1), ("cached", "-5", 0), ("cached", "x", 0)],
)
def test_sizes_that_are_refused(option, value, least, capsys):
    with pytest.raises(SystemExit):
        parse([f"--{option}={value}"])
    assert f"argument --{option}: expected {least} to 1048576, got {value}" in capsys.readouterr().err


def test_cards_by_their_names():
    names = {"NVIDIA H100 80GB HBM3": "H100", "NVIDIA GeForce RTX 4090": "RTX 4090", "NVIDIA GB10": "GB10"}
    assert {name: measured.card_of(name) for name in names} == names
    slower = ("NVIDIA H100 PCIe", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 3090 Ti")
    for name in ("Tesla V100", "NVIDIA GH200 480GB", *slower):
        with pytest.raises(ValueError, match=f"device: expected one of H200, .*, got '{name}'"):
            measured.card_of(name)


def test_the_table(prediction):
    text = list(table.step_table(prediction))
    assert text[0] == "H200  Q4_K_M  1 x 256 rows, 1024 cached tokens each, 180 launches"
    assert [line.split()[0] for line in text[2:6]] == ["experts", "attention", "launch", "total"]
    assert " ".join(text[2].split()) == "experts down 30 5.00 4.00 .. 7.00 2.50 50% 2-4 / 8-16 dram/smem"
    assert " ".join(text[5].split()) == "total 180 6.90 5.20 .. 9.60 2.50 36%"
    assert "4.7 ms with 16-bit products" in text[6]


def test_predictions_as_records(prediction):
    *ops, step = table.records(prediction)
    assert [op["op"] for op in ops] == [op.name for op in prediction.ops]
    assert ops[0] == {
        "kind": "prediction",
        "op": "linear attn_q",
        "launches": 90,
        "bound": "smem/launch",
        "optimistic_ms": 0.5,
        "middle_ms": 1.0,
        "pessimistic_ms": 2.0,
        "card": "H200",
        "preset": "Q4_K_M",
        "canvases": 1,
        "cached": 1024,
    }
    assert (step["op"], step["middle_ms"]) == ("step", pytest.approx(6.9))


def test_goals():
    assert str(goals.Goal("ms of a step", 11.5, 11.5)) == "holds    ms of a step: 11.5, wanted <= 11.5"
    assert str(goals.Goal("warps", 4, 8, is_upper=False)) == "NOT YET  warps: 4, wanted >= 8"
    assert {card for card, _ in goals.STEP_MS} == set(CARDS) == set(DATA_SHEET_FLOORS)
