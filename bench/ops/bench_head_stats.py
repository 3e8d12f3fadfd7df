"""head_stats: logits, entropies, argmax, draws and soft embeddings, in one walk over the vocabulary."""

import _path  # noqa: F401

from gesso import _ops
from gesso.synth.tensors import LOGIT_SPREAD
from harness import Call, Case, main, make_stored, rows_of

HIDDEN, VOCABULARY, CAP, TEMPERATURE = 2816, 262144, 30.0, 0.6


def make(dtype: str, rows: int) -> Call:
    head = make_stored("token_embd.weight", dtype, (VOCABULARY, HIDDEN))
    x, keys = LOGIT_SPREAD * rows_of(rows, HIDDEN), [(1, row, 2) for row in range(rows)]
    temperatures = [TEMPERATURE] * rows
    return lambda num_threads: _ops.head_stats(
        x, head, None, CAP, HIDDEN**0.5, temperatures, keys, num_threads=num_threads
    )


if __name__ == "__main__":
    main([Case("head_stats", "token_embd", ("Q6_K", "Q8_0"), make)], rows=(256, 2048))
