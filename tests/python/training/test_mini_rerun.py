"""The comparison of a curve of losses with that of a rerun."""

import json

import pytest
from rerun_mini import largest_difference, read_log

LOG = [{"step": 50, "loss": 4.0, "encoder": 2.0, "uneven": 1.0}, {"step": 100, "loss": 2.0, "held_out": 3.0}]


def test_the_largest_difference_of_all_losses_counts():
    assert largest_difference(LOG, LOG) == 0
    assert largest_difference(LOG, [LOG[0] | {"encoder": 2.01}, LOG[1]]) == pytest.approx(0.005)
    assert largest_difference(LOG, [LOG[0] | {"encoder": 2.01}, LOG[1] | {"held_out": 2.7}]) == pytest.approx(0.1)


@pytest.mark.parametrize("other", [LOG[:1], [LOG[0] | {"step": 51}, LOG[1]]])
def test_a_curve_of_other_steps_is_no_rerun(other):
    with pytest.raises(ValueError, match=r"steps \[50, 100\], got"):
        largest_difference(LOG, other)
    with pytest.raises(ValueError, match="expected losses"):
        largest_difference([], [])


def test_a_log_is_read_up_to_a_step(tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in LOG))
    assert read_log(file, 99) == LOG[:1]
    assert read_log(file, 100) == LOG
