"""route: scores of 128 experts to each token's best 8, sorted by expert."""

import _path  # noqa: F401

from harness import Call, Case, main, random_routing

EXPERTS, ACTIVE = 128, 8


def make(dtype: str, rows: int) -> Call:
    return lambda num_threads: random_routing(rows, EXPERTS, ACTIVE, num_threads)


if __name__ == "__main__":
    main([Case("route", "", ("",), make)])
