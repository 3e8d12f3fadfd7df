"""bench/compare.py: which times count as changed, which records are compared with each other, and the exit status."""

import json

import pytest

import compare


def spread(median, p10=None, p90=None):
    return {"median": median, "p10": median if p10 is None else p10, "p90": median if p90 is None else p90}


def record(ms, **fields):
    return {"kind": "op", "op": "linear", "case": "attn_q", "types": "Q4_K", "rows": 256, "ms": ms} | fields


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (spread(10, 9, 11), spread(20, 19, 21), "slower"),
        (spread(20, 19, 21), spread(10, 9, 11), "faster"),
        (spread(10, 9, 13), spread(12, 12.5, 14), "same"),  # the ranges touch
        (spread(10), spread(10.4), "same"),  # 4 percent slower
        (spread(10), spread(10.6), "slower"),
        (spread(10.6), spread(10), "faster"),
        (spread(10), spread(10), "same"),
    ],
)
def test_a_time_moves_beyond_noise_and_percent(before, after, expected):
    assert compare.verdict(before, after, 5) == expected


def run(tmp_path, capsys, before, after, *options):
    """Compares two files with these contents. Returns the exit status and what is printed."""
    files = [tmp_path / "before.json", tmp_path / "after.json"]
    for file, content in zip(files, (before, after), strict=True):
        file.write_text(json.dumps(content))
    status = compare.main([*map(str, files), *options])
    return status, capsys.readouterr()


def test_records_are_matched_by_what_they_measured(tmp_path, capsys):
    before = [record(spread(10), rows=1), record(spread(20), rows=256, machine={"cpu": "x"}, date="monday")]
    after = [record(spread(20), rows=256, machine={"cpu": "x"}, date="tuesday"), record(spread(30), rows=1)]
    status, printed = run(tmp_path, capsys, before, after)
    assert status == 1
    lines = printed.out.splitlines()
    assert [line.split()[0] for line in lines if "rows=" in line] == ["slower"]
    assert "x 3.000" in lines[-2]
    assert "op linear attn_q Q4_K rows=1: ms" in lines[-2]
    assert lines[-1] == "1 slower, 0 faster, 1 same"


def test_a_disturbed_record_is_named(tmp_path, capsys):
    before, after = [record(spread(10), waiting_share=0.02)], [record(spread(10), waiting_share=0.25)]
    _, printed = run(tmp_path, capsys, before, after)
    assert [line for line in printed.out.splitlines() if "waited" in line] == [
        "after   op linear attn_q Q4_K rows=256: threads waited for a processor 25% of the time"
    ]


def test_every_field_of_the_identity_tells_records_apart():
    base = {"kind": "bench", "device": {"name": "cpu"}, "model": {"name": "a", "synthetic": "b", "num_layers": 6}}
    base |= {"num_threads": 1, "activations": "f32", "prompt_tokens": 1, "batch": 1, "steps": 1, "canvas_length": 1}
    base |= {
        "op": "x",
        "case": "x",
        "types": "x",
        "rows": 1,
        "peer": "x",
        "runtime": "x",
        "work": "x",
        "quant": "x",
        "layers": 1,
    }
    for path in compare.IDENTITY:
        other = json.loads(json.dumps(base))
        first, _, second = path.partition(".")
        if second:
            other[first][second] = "other"
        else:
            other[first] = "other"
        assert compare.identity(other) != compare.identity(base), path
    assert compare.identity(base | {"command": "x", "date": "x", "step_ms": spread(1)}) == compare.identity(base)


def test_faster_alone_is_success_and_what_has_no_partner_is_listed(tmp_path, capsys):
    before = [record(spread(10)), record(spread(1), op="gone_op")]
    after = [record(spread(5)), record(spread(1), op="new_op")]
    status, printed = run(tmp_path, capsys, before, after)
    assert status == 0
    assert "faster" in printed.out
    assert "gone    op gone_op" in printed.out
    assert "new     op new_op" in printed.out


def test_the_threshold_and_all(tmp_path, capsys):
    files = [record(spread(10))], [record(spread(11))]
    assert run(tmp_path, capsys, *files)[0] == 1
    status, printed = run(tmp_path, capsys, *files, "--percent", "15")
    assert (status, printed.out) == (0, "0 slower, 0 faster, 1 same\n")
    assert "x 1.100" in run(tmp_path, capsys, *files, "--percent", "15", "--all")[1].out


def test_results_of_different_machines_say_so(tmp_path, capsys):
    files = ([record(spread(10), machine={"cpu": name})] for name in ("EPYC", "Xeon"))
    assert "different machines: EPYC and Xeon" in run(tmp_path, capsys, *files)[1].out


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ([], "no measurement in common"),
        ({}, "expected a list of records"),
        ([1], "expected a list of records"),
        ([record(spread(1)), record(spread(2))], "two records of op linear attn_q Q4_K rows=256"),
    ],
)
def test_what_cannot_be_compared(tmp_path, capsys, before, message):
    status, printed = run(tmp_path, capsys, before, [record(spread(1))])
    assert status == 2
    assert message in printed.out + printed.err


def test_a_missing_file(tmp_path, capsys):
    assert compare.main([str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 2
    assert "a.json" in capsys.readouterr().err
