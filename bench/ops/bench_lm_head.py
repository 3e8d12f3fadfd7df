"""lm_head: the capped logits of all rows, written to memory."""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, main, make_stored, rows_of

HIDDEN, VOCABULARY, CAP = 2816, 262144, 30.0


def make(dtype: str, rows: int) -> Call:
    x, head = rows_of(rows, HIDDEN), make_stored("token_embd.weight", dtype, (VOCABULARY, HIDDEN))
    return lambda num_threads: _ops.lm_head(x, head, CAP, num_threads=num_threads)


if __name__ == "__main__":
    main([Case("lm_head", "token_embd", ("Q6_K", "Q8_0"), make)], rows=(1, 256))
