"""bench/gpu/step_model: its tables, its goals, and how it compares itself with measured times."""

import json

import pytest

from gpu.step_model import goals, measured, table
from gpu.step_model.__main__ import main, parse
from gpu.step_model.assumptions import CARDS, DATA_SHEET_FLOORS, SUSPECTS
from gpu.step_model.bounds import Occupancy
from gpu.step_model.prediction import Entry, Prediction
from gpu.step_model.shape import PRESETS, preset_of, shape

MODEL = {"num_layers": 30, "weight_bytes": 16790983920}  # 26B in Q4_K_M
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
    origin = {"rows": 256, "canvases": 1, "cached": 1024, "device": "NVIDIA H200", "activations": "bf16"}
    origin |= MODEL | {"early_starts": "yes"}
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
    bench |= {"model": MODEL, "activations": "bf16"}
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
        ({"median_ms": 10**400}, "median_ms: expected a number above 0, got 10000"),
        ({"calls_per_step": -1}, "calls_per_step: expected a number above 0, got -1"),
        ({"calls_per_step": True}, "calls_per_step: expected int or float, got True"),
        ({"canvases": 0}, "canvases: expected 1 to 64, got 0"),
        ({"canvases": 65}, "canvases: expected 1 to 64, got 65"),
        ({"canvases": 1.5}, "canvases: expected int, got 1.5"),
        ({"cached": 10**9}, "cached: expected 0 to 1048576, got 1000000000"),
        ({"op": 3}, "op: expected str, got 3"),
        ({"device": None}, "device: expected str, got None"),
        ({"part": 3}, "part: expected str, got 3"),
        ({"early_starts": "no"}, "early_starts: the model predicts none without them"),
        ({"num_layers": 6}, "expected the 26B model, which has 30 layers, .* got 6 layers and 16790983920 bytes"),
        ({"weight_bytes": 5000}, r".* with weights of 16790983920 \(Q4_K_M\), .* got 30 layers and 5000 bytes"),
    ],
)
def test_records_with_faults(tmp_path, changed, message):
    records = [record("route", 1, 1.0), record("route", 1, 1.0) | changed]
    with pytest.raises(ValueError, match=f"result.json: record 1: {message}"):
        measured.read_measured(write(tmp_path, records))


FIELDS = ["calls_per_step", "median_ms", "canvases", "cached", "device", "kind"]
FIELDS += ["num_layers", "weight_bytes", "activations", "early_starts"]


@pytest.mark.parametrize("name", FIELDS)
def test_records_without_a_field(tmp_path, name):
    records = [{key: value for key, value in record("route", 1, 1.0).items() if key != name}]
    with pytest.raises(ValueError, match=f"result.json: record 0: expected a field {name}"):
        measured.read_measured(write(tmp_path, records))


def test_weights_have_the_bytes_of_their_preset(tmp_path):
    """Also with a few more. Those of a smaller model, or in other types, are of no preset."""
    assert shape("Q4_K_M").num_bytes == MODEL["weight_bytes"]
    for preset in PRESETS:
        assert preset_of(30, shape(preset).num_bytes + 4096) == preset
    found = measured.read_measured(write(tmp_path, [record("route", 1, 1.0, weight_bytes=shape("Q8_0").num_bytes)]))
    assert found[0].preset == "Q8_0"
    with pytest.raises(ValueError, match="expected the 26B model"):
        preset_of(30, shape("Q4_K_M").num_bytes * 101 // 100)


def test_records_of_other_settings_are_not_compared(tmp_path):
    """The model predicts a card with the activations that are its default there."""
    (found,) = measured.read_measured(write(tmp_path, [record("route", 1, 1.0)]))
    measured.check_setting(found, "H200", None)
    measured.check_setting(found, "H200", "Q4_K_M")
    with pytest.raises(ValueError, match="--preset: the weights that were measured are those of Q4_K_M, got Q8_0"):
        measured.check_setting(found, "H200", "Q8_0")
    with pytest.raises(ValueError, match="activations: expected int8, the default on RTX 4090, got bf16"):
        measured.check_setting(found, "RTX 4090", None)


def test_records_of_several_parts(tmp_path):
    """Those of other parts may be of another model, and ceilings have no times of ops."""
    other = record("route", 1, 9.0, num_layers=6, part="op_router")
    ceiling = {"kind": "ceiling", "part": "step_q8_0"}
    path = write(tmp_path, [record("route", 1, 2.0, part="step_q4_k_m"), other, ceiling])
    (found,) = measured.read_measured(path, "step_q4_k_m")
    assert found.ms == 2.0
    with pytest.raises(ValueError, match="records of several parts; --part takes one: there are step_q4_k_m, op"):
        measured.read_measured(path)
    for part in ("step_q8_0", "none"):
        with pytest.raises(ValueError, match=f"of a step of {part}, there are step_q4_k_m, op_router"):
            measured.read_measured(path, part)
    with pytest.raises(ValueError, match="of a step of none, they are of no part"):
        measured.read_measured(write(tmp_path, [record("route", 1, 2.0)]), "none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--goals --json x", "--json means nothing beside --goals, which takes nothing else"),
        ("--goals --card H200", "--card means nothing beside --goals"),
        ("--goals --cached 0", "--cached means nothing beside --goals"),
        ("--overview --preset Q8_0", "--preset means nothing beside --overview, which takes --cached, --card"),
        ("--overview --canvases 8", "--canvases means nothing beside --overview"),
        ("--measured x --cached 0", "--cached means nothing beside --measured, which takes --card, --part, --preset"),
        ("--measured x --json y", "--json means nothing beside --measured"),
        ("--measured x --card H200 --card H100", "--card: expected one card beside --measured"),
        ("--measured x --goals", "--goals: not allowed with argument --measured"),
        ("--part x", "--part means nothing without --measured"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message, capsys):
    with pytest.raises(SystemExit):
        parse(options.split())
    assert message in capsys.readouterr().err


def test_a_comparison(tmp_path, prediction, capsys, monkeypatch):
    """The preset is what the records say, and nothing else is predicted."""
    asked = []
    monkeypatch.setattr("gpu.step_model.__main__.predict", lambda *setting: asked.append(setting) or prediction)
    path = write(tmp_path, [record("route", 30, 0.001, weight_bytes=shape("Q8_0").num_bytes, canvases=2, cached=0)])
    main(["--measured", str(path)])
    assert asked == [("H200", "Q8_0", 2, 0)]
    assert "H200  Q8_0  2 x 256 rows, 0 cached tokens each" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="step_model: --preset: the weights"):
        main(["--measured", str(path), "--preset", "NVFP4"])


@pytest.mark.parametrize("text", ["", "{", "[" * 100000, "\udcff"])
def test_files_that_are_no_json(tmp_path, text):
    path = tmp_path / "result.json"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(ValueError, match="result.json: expected JSON: "):
        measured.read_measured(path)


@pytest.mark.parametrize(
    ("option", "value", "sizes"),
    [
        *[("canvases", value, "1 to 64") for value in ("0", "-1", "65", "9" * 20)],
        *[("cached", value, "0 to 1048576") for value in ("-5", "x")],
    ],
)
def test_sizes_that_are_refused(option, value, sizes, capsys):
    with pytest.raises(SystemExit):
        parse([f"--{option}={value}"])
    assert f"argument --{option}: expected {sizes}, got {value}" in capsys.readouterr().err


def test_a_weight_that_is_no_name(tmp_path):
    profile = {"step": [{"op": "linear", "weight": 3, "ms": 1.0}]}
    model = {"num_layers": 30, "weight_bytes": shape("Q4_K_M").num_bytes}
    device = {"description": "NVIDIA H200"}
    sizes = {"batch": 1, "prompt_tokens": 0, "activations": "bf16", "step_ms": {"median": 12.0}}
    path = write(tmp_path, [{"kind": "bench", "device": device, "model": model, "profile": profile, **sizes}])
    with pytest.raises(ValueError, match="record 0: weight: expected str, got 3"):
        measured.read_measured(path)


def test_cards_by_their_names():
    names = {"NVIDIA H100 80GB HBM3": "H100", "NVIDIA GeForce RTX 4090": "RTX 4090", "NVIDIA GB10": "GB10"}
    assert {name: measured.card_of(name) for name in names} == names
    slower = ("NVIDIA H100 PCIe", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 3090 Ti")
    parts = ("NVIDIA H200 MIG 1g.18gb", "NVIDIA H100 80GB HBM3 MIG 1g.10gb")
    for name in ("Tesla V100", "NVIDIA GH200 480GB", *slower, *parts):
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


def test_a_goal_that_is_missed_fails(monkeypatch, capsys):
    some = [goals.Goal("ms of a step", 11.4, 11.5), goals.Goal("launches", 508, 550)]
    monkeypatch.setattr("gpu.step_model.__main__.goals", lambda: some)
    main(["--goals"])
    some.append(goals.Goal("warps", 4, 8, is_upper=False))
    with pytest.raises(SystemExit) as end:
        main(["--goals"])
    assert end.value.code == 1
    assert capsys.readouterr().out.count("holds ") == 4  # all goals are shown, also where one is missed
