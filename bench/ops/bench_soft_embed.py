"""soft_embed: the soft embedding of rows of logits that lie in memory whole."""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, main, make_stored, rows_of

HIDDEN, VOCABULARY, SPREAD = 2816, 262144, 7.0  # the last is the standard deviation of logits / temperature


def make(dtype: str, rows: int) -> Call:
    z, table = SPREAD * rows_of(rows, VOCABULARY), make_stored("token_embd.weight", dtype, (VOCABULARY, HIDDEN))
    return lambda num_threads: _ops.soft_embed(z, table, HIDDEN**0.5, num_threads=num_threads)


if __name__ == "__main__":
    main([Case("soft_embed", "token_embd", ("Q6_K", "Q8_0"), make)], rows=(256,))
