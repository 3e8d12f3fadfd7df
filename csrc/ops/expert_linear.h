// A product for each slot, with the matrix of the slot's expert.
#pragma once

#include "core/tensor.h"
#include "ops/activations.h"
#include "ops/op.h"
#include "ops/route.h"
#include "ops/weight.h"

namespace gesso::ops {

enum class ExpertInput {
  kTokens,  // slot s reads row token_of_slot[s] of x [R, K]
  kSlots,   // slot s reads row s of x [R * A, K]
};

// out[s, n] = scale[e] * sum_k x[row(s), k] * weight[e, n, k], where e is the expert of slot s.
struct ExpertLinearArguments {
  Activations x;  // [R, K] or [R * A, K], as `input` says
  ExpertInput input;
  const Weight& weight;  // [E, N, K]
  const Routing& routing;
  Matrix out;  // [R * A, N]
};

}  // namespace gesso::ops

GESSO_OP(expert_linear, ExpertLinearArguments)
