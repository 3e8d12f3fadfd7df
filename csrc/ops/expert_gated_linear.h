// The first half of the experts: each slot's gate and up projections, and the gated activation between them.
#pragma once

#include "core/context.h"
#include "ops/route.h"
#include "ops/weight.h"

namespace gesso::ops {

// out[s] = gelu_tanh(gate_e . x[t]) * (up_e . x[t]), e the expert of slot s and t = token_of_slot[s]; each product
// times its weight's scale.   x [R, K]; weights.gate_up [E, 2M, K], gate rows first, or gate and up [E, M, K]; out
// [R*A, M]; scratch [R*A, 2M], of which out may be the left half. What scratch holds afterwards is unspecified.
void expert_gated_linear(const Context& context, ConstMatrix x, const GatedWeights& weights, const Routing& routing,
                         Matrix scratch, Matrix out);

}  // namespace gesso::ops

namespace gesso::cpu {
void expert_gated_linear(const Context& context, ConstMatrix x, const GatedWeights& weights,
                         const ops::Routing& routing, Matrix scratch, Matrix out);
}
namespace gesso::cuda {
void expert_gated_linear(const Context& context, ConstMatrix x, const GatedWeights& weights,
                         const ops::Routing& routing, Matrix out);
}
