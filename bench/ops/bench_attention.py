"""attention: a canvas over its context, and a chunk of a prompt over the tokens before it. Rows are those of either.

Sliding layers see at most 1023 tokens of context.
"""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, main, rows_of

HEADS, WINDOW = 16, 1024
KINDS = {"sliding": (8, 256, WINDOW), "full": (2, 512, 0)}  # key-value heads, head dim, window


def heads_of(rows: int, kv_heads: int, head_dim: int, seed: int):
    return rows_of(rows, kv_heads * head_dim, seed).reshape(rows, kv_heads, head_dim) * head_dim**-0.25


def case(kind: str, context: int, causal: bool) -> Case:
    kv_heads, head_dim, window = KINDS[kind]

    def make(dtype: str, rows: int) -> Call:
        q = rows_of(rows, HEADS * head_dim) * head_dim**-0.25
        begin = max(0, context - window + 1) if window else 0
        num_cached = context - begin + (rows if causal else 0)
        cached = {
            f"cached_{x}": heads_of(num_cached, kv_heads, head_dim, seed) for seed, x in enumerate(("keys", "values"))
        }
        own = {f"own_{x}": heads_of(rows, kv_heads, head_dim, seed) for seed, x in enumerate(("keys", "values"))}
        sequence = _ops.AttentionSequence(
            num_rows=rows, first_position=context, cached_begin=begin, **cached, **({} if causal else own)
        )
        return lambda num_threads: _ops.attention(
            q, kv_heads, head_dim, causal=causal, window=window, sequences=[sequence], num_threads=num_threads
        )

    return Case(f"attention {kind}", f"{'encode' if causal else 'canvas'} {kind}, context {context}", ("",), make)


def cases(kind: str) -> list[Case]:
    contexts = (0, 512, 1024) if kind == "sliding" else (0, 512, 4096, 16384)
    return [case(kind, context, causal) for causal in (False, True) for context in contexts]


if __name__ == "__main__":
    main([*cases("sliding"), *cases("full")], rows=(256,))
