"""router: from rows to the best 8 of 128 experts of each, sorted by expert."""

import _path  # noqa: F401
import numpy as np

from gesso import _ops
from harness import Call, Case, copies, main, rows_of

EXPERTS, ACTIVE, HIDDEN = 128, 8, 2816


def make(dtype: str, rows: int) -> Call:
    x, weights = rows_of(rows, HIDDEN), copies("blk.0.ffn_gate_inp.weight", dtype, (EXPERTS, HIDDEN))
    scale = ("F32", [EXPERTS], np.ones(EXPERTS, np.float32).view(np.uint8))
    return lambda num_threads: _ops.router(x, next(weights), scale, ACTIVE, num_threads=num_threads)


if __name__ == "__main__":
    main([Case("router", "ffn_gate_inp", ("F32",), make)])
