"""bench/plot.py: how each op is drawn, the line through the points, and that the pictures are written."""

import json

import pytest

import plot

OPS = [
    ("expert_gated_linear", "ffn_gate_up_exps", "experts: gate, up"),
    ("expert_linear", "ffn_down_exps", "experts: down"),
    ("linear", "attn_q", "attention projections"),
    ("linears", "attn_q, attn_k, attn_v", "attention projections"),
    ("linear", "attn_output", "attention projections"),
    ("attention sliding", None, "attention"),
    ("attention full", "", "attention"),
    ("gated_linear", "ffn_gate, ffn_up", "dense MLP"),
    ("linear", "ffn_down", "dense MLP"),
    ("head_stats", "token_embd", "head, soft embedding"),
    ("gated_linear", "self_cond_gate, self_cond_up", "self-conditioning MLP"),
    ("linear", "self_cond_down", "self-conditioning MLP"),
    ("router", "ffn_gate_inp", "norms, router, rest"),
    ("rms_norm", "attn_norm", "norms, router, rest"),
]


@pytest.mark.parametrize(("op", "weight", "group"), OPS)
def test_where_an_op_belongs(op, weight, group):
    assert plot.group_of({"op": op, "weight": weight}) == group


def test_no_time_is_lost():
    profile = [{"op": op, "weight": weight, "ms": 2**i} for i, (op, weight, _) in enumerate(OPS)]
    sums = plot.group_ms(profile)
    assert sum(sums.values()) == 2 ** len(OPS) - 1
    assert sums["attention projections"] == 2**2 + 2**3 + 2**4


def test_the_line_through_points():
    slope, start, worst = plot.linear_fit([1, 2, 4, 8], [12.0, 14.0, 18.0, 26.0])
    assert (slope, start, worst) == pytest.approx((2.0, 10.0, 0.0))
    assert plot.linear_fit([0, 1, 2], [10.0, 13.0, 10.0])[2] == pytest.approx(2 / 11)


def record(prompt, batch, ms, **fields):
    return {
        "kind": "bench",
        "gesso_version": "1",
        "machine": {"cpu": "EPYC"},
        "device": {"name": "cpu", "description": ""},
        "model": {"name": "a.gguf", "synthetic": None, "num_layers": 6, "types": {"F32": 1, "Q6_K": 2, "Q4_K": 3}},
        "activations": "int8",
        "num_threads": 2,
        "canvas_length": 256,
        "prompt_tokens": prompt,
        "batch": batch,
        "step_ms": {"median": ms, "p10": 0.9 * ms, "p90": 1.1 * ms},
    } | fields


def test_the_title_names_model_and_machine():
    text = plot.title(record(512, 1, 1.0))
    assert text == "a.gguf (Q4_K, Q6_K), 6 layers, int8 activations\nEPYC, 2 threads, gesso 1"


def draw(tmp_path, records):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(records))
    return plot.main([str(path)]), {file.name for file in tmp_path.iterdir()} - {"result.json"}


def test_pictures_of_both_kinds(tmp_path):
    pytest.importorskip("matplotlib")
    profile = {"step": [{"op": op, "weight": weight, "ms": 10.0} for op, weight, _ in OPS]}
    records = [record(512, 1, 100.0, profile=profile), record(4096, 1, 150.0, profile=None), record(512, 2, 190.0)]
    status, files = draw(tmp_path, records)
    assert status == 0
    assert files == {f"result-{kind}.{suffix}" for kind in ("ops", "scaling") for suffix in ("png", "svg")}
    text = (tmp_path / "result-scaling.svg").read_text()
    assert text.startswith("<?xml")


def client_record(prompt, clients, rate, seconds):
    times = {"median": 1e3 * seconds, "p95": 1.2e3 * seconds}
    load = {"clients": clients, "rate": rate, "tokens_per_s": 1.0, "first_text_ms": times, "request_ms": times}
    return record(prompt, None, 1.0, kind="clients", **load)


def test_the_picture_of_clients(tmp_path):
    """A row of panels for clients and one for rates. Each prompt has five lines: a rate, and two of each time."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    records = [client_record(prompt, n, None, n) for prompt in (64, 512) for n in (1, 2, 4)]
    records += [client_record(64, None, rate, 1 / rate) for rate in (0.5, 0.25)]
    status, files = draw(tmp_path, records)
    assert status == 0 and files == {"result-clients.png", "result-clients.svg"}
    panels = pyplot.gcf().axes
    assert [len(axes.lines) for axes in panels] == [2, 8, 1, 4]
    assert [axes.get_xlabel() for axes in panels] == ["clients"] * 2 + ["requests per second"] * 2
    assert panels[3].lines[1].get_xydata().tolist() == [[0.25, pytest.approx(4.8)], [0.5, pytest.approx(2.4)]]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no records of `gesso bench`"),
        ([{"kind": "op"}], "no records of `gesso bench`"),
        ([record(512, 1, 1.0), record(512, 1, 1.0, num_threads=1)], "expected one model, device and number of threads"),
    ],
)
def test_what_cannot_be_drawn(tmp_path, capsys, records, message):
    assert draw(tmp_path, records) == (1, set())
    assert message in capsys.readouterr().err
