// The first half of the experts: each slot's gate and up projections, and the gated activation between them.
#pragma once

#include "core/tensor.h"
#include "ops/activations.h"
#include "ops/op.h"
#include "ops/route.h"
#include "ops/weight.h"

namespace gesso::ops {

// out[s] = gelu_tanh(gate_e . x[t]) * (up_e . x[t]), where e is the expert of slot s and t = token_of_slot[s]. Each
// product is multiplied by its weight's scale.
struct ExpertGatedLinearArguments {
  Activations x;                // [R, K]
  const GatedWeights& weights;  // gate_up [E, 2M, K], gate rows first, or gate and up [E, M, K]
  const Routing& routing;
  Matrix scratch;          // [R * A, 2M], for the CPU; what it holds afterwards is unspecified
  Matrix out;              // [R * A, M]; it may be the left half of scratch
  Rounding rounding = {};  // of out, which has a single product
};

}  // namespace gesso::ops

GESSO_OP(expert_gated_linear, ExpertGatedLinearArguments)
