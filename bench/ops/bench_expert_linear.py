"""expert_linear: the experts' down projections. Rows are tokens, each of which uses 8 of 128 experts."""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, copies, main, random_routing, rows_of

HIDDEN, EXPERT_FFN, EXPERTS, ACTIVE = 2816, 704, 128, 8


def make(dtype: str, rows: int) -> Call:
    x, routing = rows_of(rows * ACTIVE, EXPERT_FFN), random_routing(rows, EXPERTS, ACTIVE)
    weights = copies("blk.0.ffn_down_exps.weight", dtype, (EXPERTS, HIDDEN, EXPERT_FFN))
    return lambda num_threads: _ops.expert_linear(x, next(weights), routing, by_slot=True, num_threads=num_threads)


if __name__ == "__main__":
    main([Case("expert_linear", "ffn_down_exps", ("Q5_0", "Q8_0"), make)])
