"""route: from the scores of 128 experts to the best 8 of each token, sorted by expert."""

import _path  # noqa: F401

from harness import Call, Case, main, random_routing

EXPERTS, ACTIVE = 128, 8


def make(dtype: str, rows: int) -> Call:
    return lambda num_threads: random_routing(rows, EXPERTS, ACTIVE, num_threads)


if __name__ == "__main__":
    main([Case("route", "", ("",), make)])
