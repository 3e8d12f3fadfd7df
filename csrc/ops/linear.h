// Activations times a stored weight matrix.
#pragma once

#include "core/context.h"
#include "ops/weight.h"

namespace gesso::ops {

// out[r, n] = scale * sum_k x[r, k] * weight[n, k].   x [R, K], weight [N, K] of any computable type, out [R, N].
// A row's result depends on that row alone: the order of its sum is the same for every R and thread count.
void linear(const Context& context, ConstMatrix x, const Weight& weight, Matrix out);

}  // namespace gesso::ops

namespace gesso::cpu {
void linear(const Context& context, ConstMatrix x, const Weight& weight, Matrix out);
}
namespace gesso::cuda {
void linear(const Context& context, ConstMatrix x, const Weight& weight, Matrix out);
}
