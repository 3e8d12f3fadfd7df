"""rms_norm_add: the norm behind a sublayer, whose result is added to the residual rows."""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, main, make_stored, rows_of

HIDDEN, EPS = 2816, 1e-6


def make(dtype: str, rows: int) -> Call:
    x, residual = rows_of(rows, HIDDEN), rows_of(rows, HIDDEN, seed=1)
    weight = make_stored("blk.0.post_ffw_norm.weight", "F32", (HIDDEN,))
    return lambda num_threads: _ops.rms_norm_add(x, weight, EPS, 1.0, residual, num_threads=num_threads)


if __name__ == "__main__":
    main([Case("rms_norm_add", "", ("",), make)])
