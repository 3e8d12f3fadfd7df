// Rows of float32 as sums of 4-bit floats, see fp4_activations.h.
#pragma once

#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// `packed` says what and where; its memory is written. Columns past the end of x are zeros. A row with an infinity or a
// NaN has NaN as its scale.
void pack_fp4_activations(const Queue& queue, ConstMatrix x, const PackedRows& packed);

}  // namespace gesso::cuda
