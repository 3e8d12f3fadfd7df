// The product of rows of activations with a stored weight matrix.
#pragma once

#include "core/tensor.h"
#include "ops/activations.h"
#include "ops/op.h"
#include "ops/weight.h"

namespace gesso::ops {

// out[r, n] = scale * sum_k x[r, k] * weight[n, k].
// A row's result depends on that row alone: the order of its sum is the same for every R and thread count.
struct LinearArguments {
  Activations x;         // [R, K]
  const Weight& weight;  // [N, K] of any computable type
  Matrix out;            // [R, N]
};

}  // namespace gesso::ops

GESSO_OP(linear, LinearArguments)
