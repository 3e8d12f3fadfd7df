"""qk_norm_rope: norms and rotation of queries and keys, and the writing of keys and values."""

import _path  # noqa: F401
import numpy as np

from gesso import _ops
from harness import Call, Case, main, make_stored, rows_of

HEADS, POSITION, EPS = 16, 1000, 1e-6


def case(name: str, kv_heads: int, head_dim: int, base: float) -> Case:
    def make(dtype: str, rows: int) -> Call:
        q, k, v = rows_of(rows, HEADS * head_dim), *(rows_of(rows, kv_heads * head_dim, seed) for seed in (1, 2))
        norms = [make_stored(f"blk.0.attn_{part}_norm.weight", "F32", (head_dim,)) for part in "qk"]
        inv_freq = (base ** (-np.arange(0, head_dim, 2) / head_dim)).astype(np.float32)
        return lambda num_threads: _ops.qk_norm_rope(
            q, k, v, *norms, EPS, inv_freq, [(0, rows, POSITION)], num_threads=num_threads
        )

    return Case("qk_norm_rope", name, ("",), make)


if __name__ == "__main__":
    main([case("sliding", 8, 256, 1e4), case("full", 2, 512, 1e6)])
