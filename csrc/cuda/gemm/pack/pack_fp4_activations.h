// Rounds rows of float32 to sums of 4-bit floats, see fp4_activations.h.
#pragma once

#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// The bytes of one step (64 columns) of a packed row: sizeof(Fp4Activations<num_terms>).
constexpr int64_t fp4_step_bytes(int num_terms) { return (num_terms * 36 + 15) / 16 * 16; }

// `packed` says which format the rows get and where they go; the memory that it refers to is written. Columns behind
// the end of x become zeros. A row with an infinity or a NaN gets NaN as its scale.
void pack_fp4_activations(const Queue& queue, ConstMatrix x, const PackedRows& packed);

}  // namespace gesso::cuda
