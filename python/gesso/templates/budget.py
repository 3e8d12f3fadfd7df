"""Counts the work that a template does while it renders, and ends it at a limit.

A template is a program from a file, and a loop in a loop can take for ever. So what it does costs steps. A step is
about a microsecond of work. Each node of a loop's or macro's body, each call and each element of a list counts, and so
do the characters that are read or written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

MAX_SOURCE = 64 * 1024  # characters of a template; the published ones have 19000
MAX_BRANCHING = 500_000  # names times branches of a template, since Jinja looks at all names for each branch
MAX_STEPS = 1_000_000  # of a template, besides those that the caller's values allow
STEPS_PER_ITEM = 2_000  # for each value in the messages, so that a template may walk over all messages for each message
STEPS_PER_CHARACTER = 4  # for each character in the messages
WRITTEN_PER_STEP = 16  # characters
READ_PER_STEP = 1024  # characters
STEPS_PER_CALL = 3
NODES_PER_STEP = 4  # nodes of a loop's or macro's body, many of which are not run
MAX_DEPTH = 100  # calls of macros inside each other
MAX_INT_BITS = 4096  # of a number


class LimitError(RuntimeError):
    """A template has reached a limit."""


class Budget:
    """The steps that one rendering may still take."""

    def __init__(self, num_items: int = 0, num_characters: int = 0):
        self.limit = MAX_STEPS + STEPS_PER_ITEM * num_items + STEPS_PER_CHARACTER * num_characters
        self.left = self.limit
        self.depth = 0

    @contextmanager
    def active(self) -> Iterator[None]:
        """In this block, work of this thread is counted here."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)


def spend(steps: int) -> None:
    """Counts work that is about to be done. Raises LimitError when too few steps are left for it."""
    budget = _current.get()
    if budget is None:
        return
    budget.left -= steps
    if budget.left < 0:
        raise LimitError(
            f"it needs more time or memory than its limit of {budget.limit} steps allows: {MAX_STEPS} steps,"
            f" {STEPS_PER_ITEM} for each value and {STEPS_PER_CHARACTER} for each character that is given. A long"
            " conversation may be the cause, if the template walks over all messages for each message: shorten it"
        )


def write(num_characters: int) -> None:
    """Counts a string that is about to be made."""
    spend(1 + num_characters // WRITTEN_PER_STEP)


@contextmanager
def nested() -> Iterator[None]:
    """Counts calls inside each other."""
    budget = _current.get()
    if budget is None:
        yield
        return
    if budget.depth >= MAX_DEPTH:
        raise LimitError(f"its macros call each other more than {MAX_DEPTH} deep")
    budget.depth += 1
    try:
        yield
    finally:
        budget.depth -= 1


def weigh(*values: object) -> None:
    """Counts the steps to read values to their last element, as a comparison or `tojson` does.

    A list that holds another list twice is counted as what it would be written out. So a list that doubles in each
    round of a loop reaches the limit after some twenty rounds.
    """
    rest = list(values)
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            spend(1 + len(value) // READ_PER_STEP)
        elif isinstance(value, int):
            check_bits(value.bit_length())
        elif isinstance(value, dict):
            spend(1 + 2 * len(value))
            rest += value.keys()
            rest += value.values()
        elif isinstance(value, (list, tuple, set, frozenset, type({}.keys()), type({}.values()), type({}.items()))):
            spend(1 + len(value))
            rest += value
        elif isinstance(value, range):
            spend(1 + len(value))


def check_bits(num_bits: int) -> None:
    """Refuses a number of so many bits."""
    if num_bits > MAX_INT_BITS:
        raise LimitError(f"it makes a number of more than {MAX_INT_BITS} bits")


def counted(values: Iterable[T]) -> Iterator[T]:
    """Yields values one by one, and counts a step for each."""
    for value in values:
        spend(1)
        yield value
