// The weighted sum of a token's expert outputs.
#pragma once

#include "core/context.h"
#include "ops/route.h"

namespace gesso::ops {

// out[t] = sum_a weights[t, a] * y[slot_of_pair[t, a]], a ascending.   y [R * A, D] by slot, out [R, D].
void expert_combine(const Context& context, ConstMatrix y, const Routing& routing, Matrix out);

}  // namespace gesso::ops

namespace gesso::cpu {
void expert_combine(const Context& context, ConstMatrix y, const ops::Routing& routing, Matrix out);
}
namespace gesso::cuda {
void expert_combine(const Context& context, ConstMatrix y, const ops::Routing& routing, Matrix out);
}
