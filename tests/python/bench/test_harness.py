"""bench/harness.py: which variant is compared with which, the order of calls, and the JSON of a record."""

import json

import numpy as np
import pytest

import compare
import harness
from gesso import _ops
from gesso.measure.floor import Ceiling, Ceilings
from harness import Case, Variant
from reference import device

CEILINGS = Ceilings(
    tuple(Ceiling(name, None, 1, 1e9 if name == "copy" else None, 2e9) for name in ("copy", "float32", "int8"))
)


@pytest.fixture(autouse=True)
def leave_ops_where_they_were():
    """The harness makes ops run on the CPU and changes how they round activations. This undoes it after each test."""
    yield
    device.use(device.name, device.activations)


def make(dtype, rows):
    x, weights = harness.rows_of(rows, 256), harness.copies("blk.0.attn_q.weight", dtype, (96, 256))
    return lambda num_threads: _ops.linear(x, next(weights), num_threads=num_threads)


CASE = Case("linear", "attn_q", ("Q4_K", "Q8_0"), make)


def entry(ms):
    counts = {"stored_bytes": 1e6, "activation_bytes": 1e6, "float_operations": 0.0, "int8_operations": 2e6}
    return {"op": "linear", "calls": 1, "ms": ms} | counts


VARIANTS = [Variant(types, kind, None) for types in ("Q4_K", "Q8_0") for kind in ("f32", "int8")]


@pytest.mark.parametrize(
    ("baseline", "expected"), [("f32", [0, 0, 2, 2]), ("Q8_0", [2, 3, 2, 3]), ("bf16", [None] * 4)]
)
def test_a_baseline_differs_in_one_thing(baseline, expected):
    assert [harness.baseline_of(variant, VARIANTS, baseline) for variant in VARIANTS] == expected


def test_a_record_has_rates_floor_and_a_ratio_turn_by_turn():
    found = [[entry(4.0), entry(8.0), entry(40.0)], [entry(2.0), entry(2.0), entry(10.0)]]
    base, record = harness.records_of(VARIANTS[:2], found, "f32", CEILINGS)
    assert base["ratio"]["samples"] == [1.0, 1.0, 1.0]
    assert record["ratio"]["samples"] == [0.5, 0.25, 0.25]
    assert record["ms"]["median"] == 2.0
    assert record["bytes_per_s"] == pytest.approx(1e9)
    assert record["operations_per_s"] == pytest.approx(1e9)
    assert (record["floor_ms"], record["bound"]) == (pytest.approx(2.0), "bytes")
    assert record["share_of_floor"] == pytest.approx(1.0)


def test_variants_take_turns_and_the_first_turn_does_not_count():
    calls = []

    def call_of(name, call):
        def run(num_threads):
            calls.append(name)
            return call(num_threads)

        return run

    call = make("Q8_0", 3)
    variants = [Variant("Q8_0", kind, call_of(kind, call)) for kind in ("f32", "int8")]
    found = harness.take_turns(variants, "linear", 1, seconds=0.0)
    assert calls == ["f32", "int8"] * (harness.LEAST_TURNS + 1)
    assert [len(entries) for entries in found] == [harness.LEAST_TURNS] * 2
    float_entry, int8_entry = (entries[0] for entries in found)
    assert (float_entry["int8_operations"], int8_entry["int8_operations"]) == (0, 2 * 3 * 96 * 256)
    assert float_entry["stored_bytes"] == 96 * 256 // 32 * 34
    assert float_entry["calls"] == 1


def test_an_op_that_does_not_run_is_an_error():
    with pytest.raises(RuntimeError, match="expected one entry of rms_norm in the profile, got 0"):
        harness.run(make("Q8_0", 3), "rms_norm", "f32", 1)


def test_copies_are_many_and_equal():
    weights = harness.copies("blk.0.attn_q.weight", "Q8_0", (96, 256))
    first, second = next(weights), next(weights)
    assert first[:2] == ("Q8_0", [96, 256])
    assert not np.shares_memory(first[2], second[2])
    np.testing.assert_array_equal(first[2], second[2])


def command(capsys, *arguments):
    harness.main([CASE], (2,), ["--seconds", "0", *arguments])
    return capsys.readouterr()


def test_the_command_writes_records_that_compare(capsys, monkeypatch):
    monkeypatch.setattr(harness, "measure_ceilings", lambda num_threads: CEILINGS)
    records = json.loads(command(capsys, "-o", "json", "--rows", "1,5").out)
    assert [(r["types"], r["activations"], r["rows"]) for r in records] == [
        (types, kind, rows) for rows in (1, 5) for types in CASE.types for kind in ("f32", "int8")
    ]
    assert all(record["machine"]["cpu"] and record["kind"] == "op" and "command" in record for record in records)
    assert len(compare.by_identity(records, "file")) == len(records)


def test_the_command_prints_a_table(capsys, monkeypatch):
    monkeypatch.setattr(harness, "measure_ceilings", lambda num_threads: CEILINGS)
    monkeypatch.setattr("gesso.measure.bench.waited_seconds", lambda: 0.0)  # other tests run beside this one
    printed = command(capsys, "--types", "Q8_0", "--activations", "int8", "--baseline", "Q8_0")
    lines = printed.out.splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("| attn_q | Q8_0 | int8 | 2 | 1 |")
    assert lines[2].endswith("| 1.000 x Q8_0 |")
    assert "copy 1.0 GB/s" in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cases", "attn_x"], "--cases: expected some of attn_q, got 'attn_x'"),
        (["--cases", "attn_q,"], "--cases: expected some of attn_q, got ''"),
        (["--types", "Q8_0,Q4_K_M"], "got 'Q4_K_M'"),
        (["--types", "Q2_KX"], "expected some of F32, F16"),
        (["--activations", "bf16"], "--activations: expected some of f32, int8, got 'bf16'"),
        (["--rows", "1,0"], "--rows: expected an integer >= 1, got '0'"),
        (["--threads", "two"], "--threads: expected an integer, got 'two'"),
        (["--baseline", "nope"], "--baseline: expected one of Q4_K, Q8_0, f32, int8, got 'nope'"),
        (["--types", "Q6_K", "--baseline", "Q4_K"], "--baseline: expected one of Q6_K, f32, int8, got 'Q4_K'"),
        (["--activations", "int8", "--baseline", "f32"], "--baseline: expected one of Q4_K, Q8_0, int8, got 'f32'"),
        (["--seconds", "nan"], "--seconds: expected a number >= 0, got 'nan'"),
        (["--seconds", "-1"], "--seconds: expected a number >= 0, got '-1'"),
        (["--seconds", "inf"], "--seconds: expected a number >= 0, got 'inf'"),
        (["--case", "attn_q"], "unrecognized arguments: --case attn_q"),
    ],
)
def test_words_that_it_does_not_know_are_errors(capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        harness.main([CASE], (2,), ["--seconds", "0", *arguments])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--types", "Q8_0"], "--types: expected none, since linear has no weight here"),
        (["--activations", "f32"], "--activations: expected none, since linear has no weight here"),
        (["--baseline", "int8"], "--baseline: expected one of f32, got 'int8'"),
    ],
)
def test_what_an_op_without_weights_does_not_use_is_an_error(capsys, arguments, message):
    bare = Case("linear", "bare", ("",), make)
    for cases, chosen in (([bare], []), ([bare, CASE], ["--cases", "bare"])):
        with pytest.raises(SystemExit) as end:
            harness.main(cases, (2,), [*chosen, *arguments])
        assert end.value.code == 2
        assert message in capsys.readouterr().err


def test_a_busy_machine_is_noted(capsys, monkeypatch):
    monkeypatch.setattr(harness, "measure_ceilings", lambda num_threads: CEILINGS)
    seconds = iter(range(0, 4000, 1000))  # more than passes between two looks
    monkeypatch.setattr("gesso.measure.bench.waited_seconds", lambda: next(seconds))
    printed = command(capsys, "--types", "Q8_0", "--rows", "1,2")
    assert "Note: the threads waited for a processor" in printed.out
    seconds = iter([0, 1000])
    record = json.loads(command(capsys, "--types", "Q8_0", "--rows", "1", "-o", "json").out)[0]
    assert record["waiting_share"] > 1
    assert "waited for a processor" in record["notes"][0]
    monkeypatch.setattr("gesso.measure.bench.waited_seconds", lambda: None)
    record = json.loads(command(capsys, "--types", "Q8_0", "--rows", "1", "-o", "json").out)[0]
    assert (record["waiting_share"], record["notes"]) == (None, [])


def test_small_times_are_shown_in_microseconds():
    record = {"case": "a", "types": "Q8_0", "activations": "f32", "rows": 1, "num_threads": 1, "bound": "bytes"}
    record |= {"ms": {"median": 0.0123, "p10": 0.0099, "p90": 1.5}, "bytes_per_s": 1e9, "operations_per_s": 1e9}
    record |= {"share_of_floor": 0.5, "ratio": None, "notes": []}
    assert "| 12.3 us | 9.9 us | 1.5 ms |" in harness.to_markdown([record])
