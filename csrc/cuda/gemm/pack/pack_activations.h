// Rows of float32 into what the matrix kernels read.
#pragma once

#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// `packed` says what and where; its memory is written.
void pack_activations(const Queue& queue, ConstMatrix x, const PackedRows& packed);

}  // namespace gesso::cuda
