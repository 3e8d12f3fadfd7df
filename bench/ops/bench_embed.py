"""embed: the rows of the embedding for some tokens."""

import _path  # noqa: F401
import numpy as np

from gesso import _ops
from harness import Call, Case, main, make_stored

HIDDEN, VOCABULARY = 2816, 262144


def make(dtype: str, rows: int) -> Call:
    table = make_stored("token_embd.weight", dtype, (VOCABULARY, HIDDEN))
    ids = np.random.default_rng(0).integers(0, VOCABULARY, rows).astype(np.int32)
    return lambda num_threads: _ops.embed(table, ids, HIDDEN**0.5, num_threads=num_threads)


if __name__ == "__main__":
    main([Case("embed", "token_embd", ("Q6_K", "Q8_0"), make)])
