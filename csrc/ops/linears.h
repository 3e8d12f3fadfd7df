// Products of the same rows with several stored weight matrices.
#pragma once

#include <span>

#include "core/tensor.h"
#include "ops/activations.h"
#include "ops/op.h"
#include "ops/weight.h"

namespace gesso::ops {

// A weight, and where its product with the rows goes.
struct LinearProduct {
  const Weight& weight;  // [N, K] of any computable type, or absent
  Matrix out;            // [R, N], or [0, N] where nobody needs the product
};

// For each product, out is what ops::linear computes: out[r, n] = scale * sum_k x[r, k] * weight[n, k].
// A device computes the products whose weights have the same type in one launch. All weights of the list decide the
// order of a row's sums there, also those whose product nobody needs. So a row's result depends on the row and on the
// weights of the list alone.
struct LinearsArguments {
  Activations x;                            // [R, K]
  std::span<const LinearProduct> products;  // at most Rounding::kMaxProducts
};

}  // namespace gesso::ops

GESSO_OP(linears, LinearsArguments)
