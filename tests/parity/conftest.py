"""Collects what the parity tests measure, and prints it below their results."""

from __future__ import annotations

import math
import os

import pytest

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # all checkpoints are made here


def pytest_addoption(parser):
    parser.addoption("--models", type=int, default=200, help="how many random models test_logits.py compares")
    parser.addoption("--dialogues", type=int, default=22, help="how many questions test_mini_scores.py asks")


class Report:
    """The figures of the whole run under headings: totals, extremes with the test that they come from, and tests that
    are named."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.largest: dict[str, tuple[float, str]] = {}
        self.smallest: dict[str, tuple[float, str]] = {}
        self.named: dict[str, set[str]] = {}
        self.test = ""

    def count(self, heading: str, number: int = 1) -> None:
        self.totals[heading] = self.totals.get(heading, 0) + number

    def keep_largest(self, heading: str, value: float) -> None:
        self.largest[heading] = max(self.largest.get(heading, (-math.inf, "")), (float(value), self.test))

    def keep_smallest(self, heading: str, value: float) -> None:
        self.smallest[heading] = min(self.smallest.get(heading, (math.inf, "")), (float(value), self.test))

    def name(self, heading: str) -> None:
        self.named.setdefault(heading, set()).add(self.test)

    def lines(self) -> list[str]:
        import transformers

        extremes = (self.largest | self.smallest).items()
        return [
            f"compared with transformers {transformers.__version__}",
            *(f"{heading}: {total}" for heading, total in self.totals.items()),
            *(f"{heading}: {value:.2e} in {test}" for heading, (value, test) in extremes),
            *(f"{heading}: {len(tests)}: {', '.join(sorted(tests))}" for heading, tests in self.named.items()),
        ]


REPORT = Report()


@pytest.fixture
def report(request) -> Report:
    REPORT.test = request.node.name
    return REPORT


@pytest.fixture(scope="session", autouse=True)
def quiet_torch():
    """torch with one thread, since more threads only wait in models this small. No progress bars."""
    torch = pytest.importorskip("torch")
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    torch.set_num_threads(1)


def pytest_terminal_summary(terminalreporter):
    for line in REPORT.lines():
        terminalreporter.write_line(f"parity: {line}")
