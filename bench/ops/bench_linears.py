"""linears: q, k and v of a sliding layer, and q and k of a full one."""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, copies, main, rows_of

HIDDEN = 2816
TYPES = ("Q4_K", "Q8_0", "BF16")


def case(kind: str, **outputs: int) -> Case:
    def make(dtype: str, rows: int) -> Call:
        x = rows_of(rows, HIDDEN)
        weights = [copies(f"blk.0.{name}.weight", dtype, (count, HIDDEN)) for name, count in outputs.items()]
        return lambda num_threads: _ops.linears(
            x, [(next(weight), None, True) for weight in weights], num_threads=num_threads
        )

    return Case("linears", f"{', '.join(outputs)} of {kind} layers", TYPES, make)


CASES = [
    case("sliding", attn_q=4096, attn_k=2048, attn_v=2048),
    case("full", attn_q=8192, attn_k=1024),
]

if __name__ == "__main__":
    main(CASES)
