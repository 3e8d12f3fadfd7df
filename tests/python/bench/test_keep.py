"""bench/keep.py, and that the results in bench/results have its form."""

import json
from pathlib import Path

import pytest

import compare
import keep

RESULTS = sorted((Path(__file__).parents[3] / "bench/results").glob("*.json"))
SPREAD = {"median": 2.0, "p10": 1.2, "p90": 2.8, "samples": [2.0, 1.0, 3.0]}


def test_a_record_a_line_without_samples(tmp_path):
    file = tmp_path / "a.json"
    records = [{"kind": "op", "op": name, "ms": SPREAD, "nested": {"list": [SPREAD, 5]}, "types": []} for name in "ab"]
    file.write_text(json.dumps(records, indent=2))
    assert keep.main([str(file)]) == 0
    kept = SPREAD | {"num_samples": 3, "min": 1.0, "max": 3.0}
    del kept["samples"]
    expected = [record | {"ms": kept, "nested": {"list": [kept, 5]}} for record in records]
    assert json.loads(file.read_text()) == expected
    assert len(file.read_text().splitlines()) == 2 + len(records)
    once = file.read_text()
    assert keep.main([str(file)]) == 0
    assert file.read_text() == once


def test_what_was_kept_compares_with_a_new_result(tmp_path, capsys):
    record = {"kind": "op", "op": "linear", "ms": SPREAD, "machine": {"cpu": "x"}}
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    for file in (before, after):
        file.write_text(json.dumps([record]))
    assert keep.main([str(before)]) == 0
    assert compare.main([*[str(before)] * 4, "--after", *[str(after)] * 4]) == 0


def test_no_json_is_an_error(tmp_path, capsys):
    (tmp_path / "a.json").write_text("done in 3 s\n[]")
    assert keep.main([str(tmp_path / "a.json")]) == 2
    assert "expected JSON" in capsys.readouterr().err


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.name)
def test_results_are_kept_in_this_form(file):
    text = file.read_text(encoding="utf-8")
    assert text == keep.to_lines(json.loads(text)), f"python bench/keep.py {file}"


def test_there_are_results():
    assert len(RESULTS) > 5
