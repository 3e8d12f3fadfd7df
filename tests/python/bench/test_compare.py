"""bench/compare.py: which times count as changed, which records are compared with each other, and the exit status."""

import json

import numpy as np
import pytest

import compare


def spread(median, p10=None, p90=None):
    return {"median": median, "p10": median if p10 is None else p10, "p90": median if p90 is None else p90}


def record(ms, **fields):
    return {"kind": "op", "op": "linear", "case": "attn_q", "types": "Q4_K", "rows": 256, "ms": ms} | fields


def change(before, after):
    return compare.Change("step: ms", before, after)


def noisy(center, count=6):
    return [center * (1 + 0.01 * i) for i in range(count)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (noisy(10), noisy(20), "slower"),
        (noisy(20), noisy(10), "faster"),
        (noisy(10), noisy(10), "same"),
        (noisy(10), noisy(10.3), "same"),  # the orders mix
        ([10.0] * 6, [10.4] * 6, "same"),  # 4 percent slower
        ([10.0] * 6, [10.6] * 6, "slower"),
        ([10.6] * 6, [10.0] * 6, "faster"),
        (noisy(10, 3), noisy(20, 3), "same"),  # 2 of the 20 orders of 3 and 3 processes are as extreme
        ([10, 11, 12, 13, 14, 15, 16, 30], [20, 21, 22, 23, 24, 25, 26, 27], "slower"),  # one disturbed process
    ],
)
def test_a_time_changes_beyond_chance_and_percent(before, after, expected):
    assert [found.verdict for found in compare.judge([change(before, after)], 5)] == [expected]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([1, 2, 3], [4, 5, 6], 2 / 20),
        ([4, 5, 6], [1, 2, 3], 2 / 20),
        ([1, 3, 5], [2, 4, 6], 14 / 20),
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252),
        ([1, 1, 1], [1, 1, 1], 1),
        ([1, 2, 2], [2, 3, 3], 6 / 20),  # the ranks are 1, 3, 3 and 3, 5.5, 5.5
        ([1, 2], [3, 4, 5], 2 / 10),
    ],
)
def test_the_rank_test_counts_every_order(before, after, expected):
    assert compare.probability(before, after) == pytest.approx(expected)


def test_many_times_need_more_evidence():
    clear, equal = change(noisy(10, 5), noisy(20, 5)), change(noisy(10, 5), noisy(10, 5))  # 2 of 252 orders
    assert [x.verdict for x in compare.judge([clear, *[equal] * 5], 5)].count("slower") == 1
    assert [x.verdict for x in compare.judge([clear, *[equal] * 6], 5)].count("slower") == 0
    assert [compare.processes_needed(count) for count in (1, 2, 6, 7, 20, 23, 24)] == [4, 5, 5, 6, 6, 6, 7]


def test_identical_runs_pass_nineteen_times_of_twenty():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(200):
        moods = rng.lognormal(0, 0.1, 12)  # of a process, which all its times share
        values = moods * rng.lognormal(0, 0.1, (20, 12))
        changes = compare.judge([change(list(row[:6]), list(row[6:])) for row in values], 0)
        alarms += any(found.verdict != "same" for found in changes)
    assert alarms <= 10


def test_a_real_change_is_found_among_noise():
    rng = np.random.default_rng(1)
    values = rng.lognormal(0, 0.03, (20, 12))
    values[7, 6:] *= 1.3
    changes = compare.judge([change(list(row[:6]), list(row[6:])) for row in values], 5)
    assert [found.verdict for found in changes] == ["slower"] + ["same"] * 19


def run(tmp_path, capsys, before, after, *options, processes=4):
    """Compares so many runs with these contents. Returns the exit status and what is printed."""
    files = []
    for word, content in (("before", before), ("after", after)):
        files.append([tmp_path / f"{word}-{i}.json" for i in range(processes)])
        for file in files[-1]:
            file.write_text(json.dumps(content))
    status = compare.main([*map(str, files[0]), "--after", *map(str, files[1]), *options])
    return status, capsys.readouterr()


def test_records_are_matched_by_what_they_measured(tmp_path, capsys):
    before = [record(spread(10), rows=1), record(spread(20), rows=256, machine={"cpu": "x"}, date="monday")]
    after = [record(spread(20), rows=256, machine={"cpu": "x"}, date="tuesday"), record(spread(30), rows=1)]
    status, printed = run(tmp_path, capsys, before, after, processes=5)
    assert status == 1
    lines = printed.out.splitlines()
    assert [line.split()[0] for line in lines if "rows=" in line] == ["slower"]
    assert "x 3.000" in lines[-2]
    assert "10 ms -> 30 ms" in lines[-2]
    assert "op linear attn_q Q4_K rows=1: ms" in lines[-2]
    assert lines[-1] == "1 slower, 0 faster, 1 same"


def test_too_few_processes_give_no_verdict(tmp_path, capsys):
    status, printed = run(tmp_path, capsys, [record(spread(0.01))], [record(spread(0.03))], "--all", processes=3)
    assert status == 2
    assert "x 3.000          10 us -> 30 us" in printed.out
    assert printed.out.splitlines()[-1] == "no verdict: 1 times need 4 processes of each version, got 3 and 3"


def test_a_time_that_one_process_lacks_is_not_compared(tmp_path, capsys):
    for i in range(4):
        records = [record(spread(10)), *([record(spread(1), rows=1)] if i else [])]
        (tmp_path / f"{i}.json").write_text(json.dumps(records))
    files = [str(tmp_path / f"{i}.json") for i in range(4)]
    assert compare.main([*files, "--after", *files]) == 0
    assert capsys.readouterr().out == "0 slower, 0 faster, 1 same\n"


def test_a_disturbed_record_is_named(tmp_path, capsys):
    before, after = [record(spread(10), waiting_share=0.02)], [record(spread(10), waiting_share=0.25)]
    _, printed = run(tmp_path, capsys, before, after, processes=1)
    assert [line for line in printed.out.splitlines() if "waited" in line] == [
        "after   op linear attn_q Q4_K rows=256: threads waited for a processor 25% of the time"
    ]


def test_every_field_of_the_identity_tells_records_apart():
    base = {"kind": "bench", "device": {"name": "cpu"}, "model": {"name": "a", "synthetic": "b", "num_layers": 6}}
    base |= {"num_threads": 1, "activations": "f32", "prompt_tokens": 1, "batch": 1, "steps": 1, "canvas_length": 1}
    base |= {"clients": 1, "rate": 0.5, "requests": 1, "canvases": 1, "common_tokens": 1}
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


def test_no_json_is_named(tmp_path, capsys):
    (tmp_path / "a.json").write_text("| table |")
    assert compare.main([str(tmp_path / "a.json"), "--after", str(tmp_path / "a.json")]) == 2
    assert "a.json: expected JSON" in capsys.readouterr().err


def test_a_missing_file(tmp_path, capsys):
    assert compare.main([str(tmp_path / "a.json"), "--after", str(tmp_path / "b.json")]) == 2
    assert "a.json" in capsys.readouterr().err
