"""bench/response_times.py: its table, and that it measures no cancellation of what has ended."""

import pytest

import gesso
import response_times as times


def test_table():
    cancelled = {name: times.in_ms([0.001, 0.003, 0.1]) for name in times.WAYS}
    record = {"cancelled_ms": cancelled, "notes": ["x"], "first_character_ms": times.in_ms([6.0])}
    record |= {"step_ms": times.in_ms([2.0, 4.0]), "first_draft_ms": times.in_ms([4.5])}
    lines = times.to_markdown(record).splitlines()
    assert lines[2:6] == [f"| {name} | 3 ms | 100 ms |" for name in times.WAYS]
    assert lines[-4:-1] == [
        "| a step | 3000 ms | 1 |",
        "| first draft of a stream | 4500 ms | 1.50 |",
        "| first character of `gesso run` | 6000 ms | 2.00 |",
    ]
    assert lines[-1] == "Note: x."


def test_a_prompt_that_was_encoded_is_refused():
    with pytest.raises(SystemExit, match="was encoded before"):
        times.stream_timeout(gesso.load("mini", "cpu"), [2, 3], 60)
    with pytest.raises(SystemExit, match="was encoded before"):
        times.check_was_encoding(False)


def test_the_first_character_is_that_of_a_command_that_succeeds(tmp_path):
    assert times.first_character("mini", 1) > 0
    with pytest.raises(SystemExit, match="gesso run failed: gesso: .*missing"):
        times.first_character(str(tmp_path / "missing.gguf"), 1)
