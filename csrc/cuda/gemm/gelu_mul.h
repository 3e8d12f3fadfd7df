// The gated activation where gate and up are stored in different types, so that no kernel has both.
#pragma once

#include "core/tensor.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// out = gelu_tanh(out) * up.   up, out [R, N].
void gelu_mul(const Queue& queue, ConstMatrix up, Matrix out);

}  // namespace gesso::cuda
