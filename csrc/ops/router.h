// Scores all experts for each token, and chooses among them: a product and a `route`.
#pragma once

#include "core/tensor.h"
#include "ops/op.h"
#include "ops/route.h"
#include "ops/weight.h"

namespace gesso::ops {

// With scores[r, e] = scale * sum_k x[r, k] * weight[e, k], it does what route(scores) does. With an F32 weight a
// device rounds next to nothing, because the scores decide which experts run. A row's scores depend on that row alone.
struct RouterArguments {
  ConstMatrix x;                   // [R, D]
  const Weight& weight;            // [E, D] of any computable type
  Matrix scores;                   // [R, E] scratch memory. A device need not store scores here
  const Tensor& per_expert_scale;  // F32 [E]
  const Routing& routing;          // every array that it views is written
};

}  // namespace gesso::ops

GESSO_OP(router, RouterArguments)
