"""`gesso bench`: its rows and formats, the options that it refuses, and the profile's counts, computed here by hand.

No test depends on a time.
"""

import csv
import hashlib
import io
import json
import re
from pathlib import Path

import pytest

import gesso
from gesso import _native
from gesso.cli import program as cli
from gesso.cli.parts import bench_rows
from gesso.files.gguf_writer import matrices_as
from gesso.measure import bench, floor, memory, subject
from gesso.measure.floor import Ceiling, Ceilings, op_floor, pass_floor_ms
from gesso.measure.record_types import Work
from gesso.measure.report import table
from gesso.measure.subject import hash_files, parse_spec
from gesso.synth.model import CONFIGS
from python.synth.test_synth import CONFIG
from python.tiny_model import VOCABULARY, tiny_model

DOCUMENT = Path(__file__).parents[3] / "docs/bench.md"
# The sizes of the model in tests/python/tiny_model.py.
C, D, F, V, WINDOW = 8, 32, 64, len(VOCABULARY), 8
Q_SLIDING, Q_FULL, KEYS_SLIDING, KEYS_FULL = 4 * 16, 4 * 32, 2 * 16, 32
EXPERTS, M = 2, 32  # experts that run for a token, and the rows of each; in the model of `counted` both experts run


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return str(tiny_model(tmp_path_factory.mktemp("bench") / "tiny.gguf", num_experts=EXPERTS))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(floor, "BUFFER_BYTES", 1 << 16)
    monkeypatch.setattr(floor, "MILLISECONDS", 0.0)


@pytest.fixture
def run_bench(capsys):
    """Returns a function that runs the command with few steps and returns what it has printed."""

    def call(*arguments):
        assert cli.main(["bench", *arguments, "--steps", "3", "-r", "2", "--device", "cpu"]) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def refused(capsys):
    """Returns a function that runs the command, expects it to fail and returns its message."""

    def call(*arguments, status=1):
        assert cli.main(["bench", *arguments]) == status
        return capsys.readouterr().err

    return call


# Rows and formats


def test_a_row_for_each_combination(path, run_bench):
    records = json.loads(run_bench(path, "-p", "5,9", "-b", "1,3", "-t", "1,2", "--json"))
    rows = [(x["num_threads"], x["prompt_tokens"], x["batch"]) for x in records]
    assert rows == [(t, p, b) for t in (1, 2) for p in (5, 9) for b in (1, 3)]


def test_a_record_has_what_was_done(path, run_bench):
    (record,) = json.loads(run_bench(path, "-p", "5", "-b", "2", "--json", "--activations", "f32"))
    assert (record["steps"], record["repetitions"], record["canvas_length"]) == (3, 2, C)
    assert (record["activations"], record["device"]["name"], record["model"]["path"]) == ("f32", "cpu", path)
    assert record["gesso_version"] == gesso.__version__
    assert record["command"].startswith("gesso bench ") and path in record["command"]
    samples = {name: len(record[name]["samples"]) for name in record if name.endswith("_ms") and "first" not in name}
    assert samples == {"encode_ms": 2, "step_ms": 4, "step_without_self_conditioning_ms": 2, "commit_ms": 2}
    assert len(record["mean_entropy_nats"]) == 3 and min(record["mean_entropy_nats"]) > 0
    assert record["peak_memory_bytes"] > record["model"]["weight_bytes"]
    assert record["profile"] is None
    assert any("3 denoising steps: no early stop" in note for note in record["notes"])


def test_rates_follow_from_the_times(path, run_bench):
    (record,) = json.loads(run_bench(path, "-p", "5", "-b", "2", "--json"))
    canvas_ms = 3 * record["step_ms"]["median"] + record["commit_ms"]["median"]
    assert record["committed_tokens_per_s"] == pytest.approx(1e3 * 2 * C / canvas_ms)
    assert record["encode_tokens_per_s"] == pytest.approx(1e3 * 2 * 5 / record["encode_ms"]["median"])
    for phase, work in record["passes"].items():
        assert work["share_of_floor"] == pytest.approx(work["floor_ms"] / record[f"{phase}_ms"]["median"])


def test_a_batch_larger_than_a_pass(tmp_path, run_bench):
    """On the CPU a pass has room for two canvases of 128. The figures of a batch of 3 are those of both its passes."""
    path = str(tiny_model(tmp_path / "long.gguf", canvas_length=128, num_experts=EXPERTS))
    one, three = json.loads(run_bench(path, "-p", "5", "-b", "1,3", "--activations", "f32", "--profile", "--json"))
    for phase in bench.PHASES:
        assert three["passes"][phase]["float_operations"] == 3 * one["passes"][phase]["float_operations"] > 0
    for phase in ("step", "step_without_self_conditioning"):
        calls = [{(op["op"], op["weight"]): op["calls"] for op in record["profile"][phase]} for record in (one, three)]
        assert calls[1] == {op: 2 * count for op, count in calls[0].items()}
    names = ("encode", "step_without_self_conditioning", "step", "first_canvas")
    *parts, first_canvas_ms = (three[f"{name}_ms"]["samples"] for name in names)
    assert [*map(len, parts), len(first_canvas_ms)] == [2, 2, 2 * 2, 2]
    assert sum(first_canvas_ms) == pytest.approx(sum(map(sum, parts)))


def test_a_single_step_has_no_self_conditioning(path, capsys):
    assert cli.main(["bench", path, "-p", "5", "--steps", "1", "-r", "1", "--device", "cpu", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["step_ms"] is None and record["passes"]["step"]["floor_ms"] is None
    assert record["step_without_self_conditioning_ms"] and record["committed_tokens_per_s"] > 0
    assert any("no self-conditioning" in note for note in record["notes"])


def test_every_key_is_documented(path, run_bench):
    (record,) = json.loads(run_bench(path, "-p", "5", "--json", "--profile"))
    known = set(re.findall(r"`(\w+)`", DOCUMENT.read_text()))

    def names(value):
        if isinstance(value, list):
            return set().union(*map(names, value))
        if isinstance(value, dict):
            return set(value).union(*map(names, value.values()))
        return set()

    types = set(record["model"].pop("types"))
    assert types == {"F32"}
    assert names(record) - known == set()


def test_csv_has_a_line_per_row(path, run_bench):
    rows = list(csv.DictReader(io.StringIO(run_bench(path, "-p", "5,9", "--csv"))))
    assert [row["prompt_tokens"] for row in rows] == ["5", "9"]
    assert float(rows[0]["step_ms_median"]) > 0 and rows[0]["model_name"] == "Tiny"


def test_markdown_has_rows_and_ceilings(path, run_bench):
    out = run_bench(path, "-p", "5,9", "--profile")
    lines = out.splitlines()
    header = next(line for line in lines if "tokens/s at 3 steps" in line)
    rows = lines[lines.index(header) + 2 :][:2]
    assert [row.split("|")[2].strip() for row in rows] == ["5", "9"]
    assert re.search(r"\| 1? ?\d+ +\| copy +\|", out) and "no early stop" in out
    assert "| attn_q, attn_k, attn_v " in out and "Ops of one denoising step" in out


def test_tables_are_aligned_and_cells_safe():
    assert table([("a", "b"), ("1|2", "")]) == ["| a    | b   |", "|------|-----|", "| 1\\|2 |     |"]


def test_output_goes_to_a_file(path, run_bench, tmp_path):
    target = tmp_path / "result.json"
    assert run_bench(path, "-p", "5", "--json", "--output", str(target)) == ""
    assert len(json.loads(target.read_text())) == 1


def test_ctrl_c_prints_what_was_measured(path, capsys, monkeypatch):
    original = bench_rows.measure

    def measure(model, setting, on_done):
        if setting.prompt_tokens == 9:
            raise KeyboardInterrupt
        return original(model, setting, on_done)

    monkeypatch.setattr(bench_rows, "measure", measure)
    assert cli.main(["bench", path, "-p", "5,9", "--steps", "2", "-r", "1", "--json"]) == 130
    assert [x["prompt_tokens"] for x in json.loads(capsys.readouterr().out)] == [5]


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "600"], "600 tokens and a canvas of 8 are more than the model's context of 512"),
        (["-p", "5", "--activations", "int7"], "int7"),
        (["-p", "5", "--device", "tpu"], "tpu"),
    ],
)
def test_bad_options(path, refused, arguments, message):
    assert message in refused(path, *arguments, status=2)


def test_an_output_that_cannot_be_written(path, refused):
    assert "there is no folder /nowhere" in refused(path, "--output", "/nowhere/result.json")


def test_a_missing_file(refused):
    assert "nothing.gguf" in refused("nothing.gguf")


@pytest.mark.parametrize("arguments", [["m.gguf", "--synthetic", "26b-a4b:Q4_K_M"], [], ["m.gguf", "-p", "5,x"]])
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        cli.main(["bench", *arguments])
    assert error.value.code == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("26b-a4b", "SIZES:TYPES"),
        ("26b-a4b:Q9", "Q9"),
        ("7b:Q8_0", "7b"),
        ("26b-a4b:Q8_0:31", "1 to 30"),
        (":Q8_0", ""),
    ],
)
def test_bad_specs(refused, spec, message):
    assert "--synthetic" in (err := refused("--synthetic", spec, status=2)) or "number of layers" in err
    assert message in err


def test_too_little_memory_is_refused_with_numbers(refused, monkeypatch):
    monkeypatch.setattr(subject, "available_bytes", lambda: 12_300_000_000)
    monkeypatch.setattr(subject, "fill_checkpoint", lambda *_: pytest.fail("nothing must be made"))
    message = refused("--synthetic", "26b-a4b:Q4_K_M")
    assert re.search(r"out of memory: needs 1[78]\.\d GB \(16\.8 GB for weights .*\), 12\.3 GB are free", message)


# Random weights


def test_spec():
    assert parse_spec("26b-a4b:q4_k_m") == (CONFIGS / "26b-a4b", "Q4_K_M", None)
    assert parse_spec("26b-a4b:Q8_0:6") == (CONFIGS / "26b-a4b", "Q8_0", 6)


def test_random_weights_without_a_file(tmp_path, run_bench):
    (tmp_path / "small").mkdir()
    (tmp_path / "small/config.json").write_text(json.dumps(CONFIG))
    before = sorted(tmp_path.rglob("*"))
    spec = f"{tmp_path / 'small'}:Q8_0:6"
    (record,) = json.loads(run_bench("--synthetic", spec, "-p", "5", "--json"))
    model = record["model"]
    assert (model["synthetic"], model["num_layers"], model["path"], model["hash"]) == (spec, 6, None, None)
    assert sum(model["types"].values()) == model["weight_bytes"] and "Q8_0" in model["types"]
    assert sorted(tmp_path.rglob("*")) == before


# Hashes, memory, ceilings


def test_hashes(tmp_path):
    path = tmp_path / "model"
    data = bytearray(range(256)) * 20_000
    path.write_bytes(data)
    assert hash_files([path], True) == ("sha256", hashlib.sha256(data).hexdigest())
    method, sampled = hash_files([path], False)
    assert "samples" in method and (method, sampled) == hash_files([path], False)
    for place in (0, len(data) - 1):  # a place in the first MiB, and one in the last sample
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert hash_files([path], False)[1] != sampled
    path.write_bytes(data + b"x")
    assert hash_files([path], False)[1] != sampled


def test_free_memory_is_what_the_control_group_leaves(tmp_path, monkeypatch):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable: 5000 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "none")
    assert memory.available_bytes() == 5000 * 1024
    for name, text in (("max", "3000000"), ("current", "2500000"), ("stat", "anon 1\nfile 400000\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    assert memory.available_bytes() == 900_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_bytes() == 5000 * 1024


def test_waiting_for_a_processor_is_seen():
    before = bench.waited_seconds()
    if before is None:
        pytest.skip("this system does not tell")
    assert bench.waited_seconds() >= before >= 0


def test_a_busy_machine_is_noted(path, monkeypatch, run_bench):
    waits = iter([0.0, 1e6])
    monkeypatch.setattr(bench, "waited_seconds", lambda: next(waits))
    (record,) = json.loads(run_bench(path, "-p", "5", "--json"))
    assert record["waiting_share"] > 0.03 and any("other programs were running" in note for note in record["notes"])


def test_peak_memory_counts_what_was_taken():
    memory.reset_peak()
    before = memory.peak_bytes()
    taken = b"x" * 50_000_000
    assert memory.peak_bytes() >= before + len(taken) // 2


def test_ceilings_are_measured():
    found = _native.measure_ceilings(2, 1 << 20, 0.0)
    assert {"copy", "read"} <= {x.name for x in found}
    for entry in found:
        rates = (entry.bytes_per_s, entry.operations_per_s)
        assert min(rates) == 0 and max(rates) > 0
        assert (entry.instruction_set == "") == (entry.name in ("copy", "read"))
    assert {x.instruction_set for x in found} - {""} == set(_native.instruction_sets())


@pytest.mark.parametrize("arguments", [(0, 0, 1.0), (-1, 1, 1.0), (1, 1, -1.0)])
def test_bad_ceilings(arguments):
    with pytest.raises(gesso.ArgumentError):
        _native.measure_ceilings(*arguments)


CEILINGS = Ceilings(
    (
        Ceiling("copy", None, 1, 2e9, None),
        Ceiling("read", None, 1, 4e9, None),
        Ceiling("float32", "A", 1, None, 5e9),
        Ceiling("bf16", "A", 1, None, 9e9),
        Ceiling("int8", "A", 1, None, 10e9),
        Ceiling("int8", "B", 1, None, 20e9),
    )
)


def op(stored, activations, floats, int8, ms=10.0):
    counts = dict(zip(Work.__annotations__, (stored, activations, floats, int8), strict=True))
    return {"ms": ms} | counts


def test_floors():
    """The best rate of each kind counts. An op's floor is the longer one of its two times; a pass has their sum."""
    memory_bound, product_bound = op(8e6, 4e6, 5e6, 0), op(4e6, 4e6, 5e6, 40e6)
    assert op_floor(memory_bound, CEILINGS) == {"floor_ms": 3.0, "share_of_floor": 0.3, "bound": "bytes"}
    assert op_floor(product_bound, CEILINGS) == {"floor_ms": 3.0, "share_of_floor": 0.3, "bound": "operations"}
    assert pass_floor_ms([memory_bound, product_bound], CEILINGS) == 2.0 + 3.0
    assert op_floor(memory_bound, Ceilings())["floor_ms"] is None and pass_floor_ms([memory_bound], Ceilings()) is None


# The profile


def counted(path, prompt, batch=1, **options):
    """Returns the ops of the encode and of each step, by (op, weight), and the timings of the generation.

    The second step has self-conditioning.
    """
    session = gesso.load(path, "cpu", 1, **options).session(batch)
    session._native.set_profiling(True)
    session.encode([prompt] * batch)
    encode = by_name(session._native.take_profile())
    steps = []

    def take(event):
        if event.sequence == batch - 1:
            steps.append(by_name(session._native.take_profile()))

    output = session.generate(
        max_new_tokens=C, max_denoising_steps=2, confidence_threshold=0.0, end_token_ids=[], on_step=take
    )
    return encode, steps, output.timings


def by_name(ops):
    return {(op.op, op.weight): op for op in ops}


def counts(op):
    return op.calls, op.stored_bytes, op.activation_bytes, op.float_operations, op.int8_operations


def test_encode_counts(path):
    """The model has two sliding layers and a full one. Of the last layer only keys are needed. 12 tokens exceed the
    window of 8."""
    encode, *_ = counted(path, [2] * 12, activations="f32")
    rows, floats = 12, 4
    assert counts(encode["embed", "token_embd"]) == (1, floats * rows * D, floats * rows * D, 0, 0)
    outputs = 2 * (Q_SLIDING + 2 * KEYS_SLIDING) + KEYS_FULL  # q, k and v of two layers, and the last one's keys
    expected = (3, floats * outputs * D, floats * rows * (3 * D + outputs), 2 * rows * outputs * D, 0)
    assert counts(encode["linears", "attn_q, attn_k, attn_v"]) == expected
    seen = sum(min(i + 1, WINDOW) for i in range(rows))
    cached = floats * 2 * KEYS_SLIDING * rows
    expected = (2, 2 * cached, 2 * floats * rows * 2 * Q_SLIDING, 2 * 4 * seen * Q_SLIDING, 0)
    assert counts(encode["attention sliding", ""]) == expected
    assert not any(op == "head_stats" for op, _ in encode)


def test_step_counts(path):
    _, (first, step), _ = counted(path, [2] * 3, batch=2, activations="f32")
    rows, floats = 2 * C, 4
    weights = 2 * F * D
    expected = (3, 3 * floats * weights, 3 * floats * rows * (D + F), 3 * 2 * rows * weights, 0)
    assert counts(step["gated_linear", "ffn_gate, ffn_up"]) == expected
    weights = EXPERTS * 2 * M * D
    expected = (3, 3 * floats * weights, 3 * floats * rows * (D + EXPERTS * M), 3 * 2 * rows * weights, 0)
    assert counts(step["expert_gated_linear", "ffn_gate_up_exps"]) == expected
    own, cached = floats * 2 * KEYS_FULL * C, floats * 2 * KEYS_FULL * 3
    expected = (1, 2 * cached, floats * rows * 2 * Q_FULL + 2 * own, 4 * rows * (3 + C) * Q_FULL, 0)
    assert counts(step["attention full", ""]) == expected
    assert ("linear", "self_cond_down") in step and ("linear", "self_cond_down") not in first
    # Logits count as operations, but not as bytes, because they are not written. On the CPU the soft embedding counts
    # nothing.
    assert counts(step["head_stats", "token_embd"]) == (1, floats * V * D, floats * rows * D, 2 * rows * V * D, 0)


def test_only_experts_that_run_are_read(tmp_path):
    path = tiny_model(tmp_path / "sparse.gguf", num_experts=16, top_k_experts=1)
    encode, *_ = counted(path, [5], activations="f32")
    # One of 16 experts runs, in two layers.
    assert encode["expert_gated_linear", "ffn_gate_up_exps"].stored_bytes == 2 * 4 * 2 * M * D


def test_products_of_integers_count_as_such(tmp_path):
    path = tiny_model(tmp_path / "q8.gguf", types=matrices_as("Q8_0", "BF16"))
    _, (_, step), _ = counted(path, [2, 3], activations="int8")
    name = "linears", "attn_q, attn_k, attn_v"
    assert step[name].types == "Q8_0"
    assert step[name].int8_operations > 0 == step[name].float_operations
    for other in (("router", "ffn_gate_inp"), ("attention full", "")):
        assert step[other].float_operations > 0 == step[other].int8_operations
    _, (_, exact), _ = counted(path, [2, 3], activations="f32")
    assert exact[name].float_operations == step[name].int8_operations


def test_ops_take_no_longer_than_their_steps(path):
    _, steps, timings = counted(path, [2] * 9)
    assert len(timings.step_ms) == timings.steps == 2
    for ops, step_ms in zip(steps, timings.step_ms, strict=True):
        assert 0 < sum(op.ms for op in ops.values()) <= step_ms
    assert sum(timings.step_ms) <= timings.denoise_ms


def test_profiling_changes_no_result_and_ends(path):
    model = gesso.load(path, "cpu")
    plain = model.session().generate([2, 5], max_new_tokens=C).sequences
    session = model.session()
    session._native.set_profiling(True)
    assert session.generate([2, 5], max_new_tokens=C).sequences == plain
    assert session._native.take_profile() != [] == session._native.take_profile()
    session._native.set_profiling(False)
    session.encode([])
    assert session._native.take_profile() == []
