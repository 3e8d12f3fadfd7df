"""rms_norm: the norm in front of a sublayer."""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, main, make_stored, rows_of

HIDDEN, EPS = 2816, 1e-6


def make(dtype: str, rows: int) -> Call:
    x, weight = rows_of(rows, HIDDEN), make_stored("blk.0.attn_norm.weight", "F32", (HIDDEN,))
    return lambda num_threads: _ops.rms_norm(x, weight, EPS, num_threads=num_threads)


if __name__ == "__main__":
    main([Case("rms_norm", "", ("",), make)])
