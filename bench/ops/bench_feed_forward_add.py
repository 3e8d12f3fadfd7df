"""feed_forward_add: the weighted sum of a token's 8 expert outputs, and the norms that join it to the residual rows."""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, main, make_stored, random_routing, rows_of

HIDDEN, EXPERTS, ACTIVE, EPS = 2816, 128, 8, 1e-6


def make(dtype: str, rows: int) -> Call:
    experts, routing = rows_of(rows * ACTIVE, HIDDEN), random_routing(rows, EXPERTS, ACTIVE)
    mlp, residual = rows_of(rows, HIDDEN, seed=1), rows_of(rows, HIDDEN, seed=2)
    names = ("post_ffw_norm_1", "post_ffw_norm_2", "post_ffw_norm")
    norms = tuple(make_stored(f"blk.0.{name}.weight", "F32", (HIDDEN,)) for name in names)
    scales = (1.0, 1.0)
    return lambda num_threads: _ops.feed_forward_add(
        mlp, experts, routing, norms, EPS, scales, rows, residual, num_threads=num_threads
    )


if __name__ == "__main__":
    main([Case("feed_forward_add", "", ("",), make)])
