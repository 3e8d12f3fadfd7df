// The weighted sum of a token's expert outputs.
#pragma once

#include "core/tensor.h"
#include "ops/op.h"
#include "ops/route.h"

namespace gesso::ops {

// out[t] = sum_a weights[t, a] * y[slot_of_pair[t, a]], added with rising a.
struct ExpertCombineArguments {
  ConstMatrix y;  // [R * A, D] by slot
  const Routing& routing;
  Matrix out;  // [R, D]
};

}  // namespace gesso::ops

GESSO_OP(expert_combine, ExpertCombineArguments)
