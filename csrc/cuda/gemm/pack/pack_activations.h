// Rounds rows of float32 to the bf16 or int8 that the matrix kernels read.
#pragma once

#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// `packed` says which format the rows get and where they go; the memory that it refers to is written.
void pack_activations(const Queue& queue, ConstMatrix x, const PackedRows& packed);

}  // namespace gesso::cuda
