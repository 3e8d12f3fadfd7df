"""linear: the projections around the attention, and the down projection of the dense MLP."""

import _path  # noqa: F401

from gesso import _ops
from harness import Call, Case, copies, main, rows_of

HIDDEN = 2816


def case(name: str, outputs: int, inputs: int, *types: str) -> Case:
    def make(dtype: str, rows: int) -> Call:
        x, weights = rows_of(rows, inputs), copies(f"blk.0.{name}.weight", dtype, (outputs, inputs))
        return lambda num_threads: _ops.linear(x, next(weights), num_threads=num_threads)

    return Case("linear", name, types, make)


CASES = [
    case("attn_q", 4096, HIDDEN, "Q4_K", "Q8_0", "BF16"),
    case("attn_k", 2048, HIDDEN, "Q4_K", "Q6_K", "Q8_0"),
    case("attn_output", HIDDEN, 4096, "Q4_K", "Q8_0"),
    case("ffn_down", HIDDEN, 2112, "Q5_0", "Q8_0"),
]

if __name__ == "__main__":
    main(CASES)
