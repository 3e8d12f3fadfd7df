// Grouped matrix product: each slot with its own expert's matrix.
#pragma once

#include "core/context.h"
#include "ops/route.h"
#include "ops/weight.h"

namespace gesso::ops {

enum class ExpertInput {
  kTokens,  // slot s reads row token_of_slot[s] of x [R, K]
  kSlots,   // slot s reads row s of x [R * A, K]
};

// out[s, n] = scale[e] * sum_k x[row(s), k] * weight[e, n, k], e the expert of slot s.   weight [E, N, K], out [R*A,
// N].
void expert_linear(const Context& context, ConstMatrix x, ExpertInput input, const Weight& weight,
                   const Routing& routing, Matrix out);

}  // namespace gesso::ops

namespace gesso::cpu {
void expert_linear(const Context& context, ConstMatrix x, ops::ExpertInput input, const Weight& weight,
                   const ops::Routing& routing, Matrix out);
}
namespace gesso::cuda {
void expert_linear(const Context& context, ConstMatrix x, ops::ExpertInput input, const Weight& weight,
                   const ops::Routing& routing, Matrix out);
}
