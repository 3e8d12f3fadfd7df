// Rounds rows of float32 to the bf16 or int8 that the matrix kernels read.
#pragma once

#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// `packed` says to which format and where to; its memory is written.
void pack_activations(const Queue& queue, ConstMatrix x, const PackedRows& packed);

}  // namespace gesso::cuda
