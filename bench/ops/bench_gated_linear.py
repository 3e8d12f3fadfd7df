"""gated_linear: gate and up of the dense MLP. Those of self-conditioning have the same shapes."""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, copies, main, rows_of

HIDDEN, FFN = 2816, 2112


def make(dtype: str, rows: int) -> Call:
    x = rows_of(rows, HIDDEN)
    gates, ups = (copies(f"blk.0.ffn_{name}.weight", dtype, (FFN, HIDDEN)) for name in ("gate", "up"))
    return lambda num_threads: _ops.gated_linear(x, next(gates), next(ups), num_threads=num_threads)


if __name__ == "__main__":
    main([Case("gated_linear", "ffn_gate, ffn_up", ("Q4_K", "Q8_0", "BF16"), make)])
