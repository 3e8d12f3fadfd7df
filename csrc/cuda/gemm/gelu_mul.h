// The activation of a gated product whose gate and up are stored in different types. No kernel multiplies both types,
// so this kernel joins the results of two plain products.
#pragma once

#include "core/tensor.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {

// out = gelu_tanh(out) * up, where out has the gate's product.   up, out [R, N].
void gelu_mul(const Queue& queue, ConstMatrix up, Matrix out);

}  // namespace gesso::cuda
