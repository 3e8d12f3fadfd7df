"""expert_gated_linear: the experts' gate and up projections. Rows are tokens, each of which uses 8 of 128 experts."""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, copies, main, random_routing, rows_of

HIDDEN, EXPERT_FFN, EXPERTS, ACTIVE = 2816, 704, 128, 8


def make(dtype: str, rows: int) -> Call:
    x, routing = rows_of(rows, HIDDEN), random_routing(rows, EXPERTS, ACTIVE)
    weights = copies("blk.0.ffn_gate_up_exps.weight", dtype, (EXPERTS, 2 * EXPERT_FFN, HIDDEN))
    return lambda num_threads: _ops.expert_gated_linear(x, next(weights), None, None, routing, num_threads=num_threads)


if __name__ == "__main__":
    main([Case("expert_gated_linear", "ffn_gate_up_exps", ("Q4_K", "Q8_0"), make)])
