// Rounds rows of float32 to half precision, see half_rows.h.
#pragma once

#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// `packed` says where the rows go; the memory that it refers to is written. Columns behind the end of x become zeros.
void pack_half_activations(const Queue& queue, ConstMatrix x, const PackedRows& packed);

}  // namespace gesso::cuda
