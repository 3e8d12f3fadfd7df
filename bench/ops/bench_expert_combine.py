"""expert_combine: the weighted sum of a token's 8 expert outputs."""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, main, random_routing, rows_of

HIDDEN, EXPERTS, ACTIVE = 2816, 128, 8


def make(dtype: str, rows: int) -> Call:
    y, routing = rows_of(rows * ACTIVE, HIDDEN), random_routing(rows, EXPERTS, ACTIVE)
    return lambda num_threads: _ops.expert_combine(y, routing, num_threads=num_threads)


if __name__ == "__main__":
    main([Case("expert_combine", "", ("",), make)])
