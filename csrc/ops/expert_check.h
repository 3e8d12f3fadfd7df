// Checks, and the collection of importance, that the ops on experts share.
#pragma once

#include "core/context.h"
#include "core/tensor.h"
#include "ops/expert_linear.h"
#include "ops/route.h"
#include "ops/weight.h"

namespace gesso::ops {

// Checks that x, the weight [E, N, K] and the routing fit each other. `op` begins the messages.
void check_experts(const char* op, ConstMatrix x, ExpertInput input, const Weight& weight, const Routing& routing);

// Checks that the routing has room for the scores [R, E], and that the scale is F32 [E].
void check_routing(const char* op, ConstMatrix scores, const Tensor& per_expert_scale, const Routing& routing);

// If importance is collected, adds to it the rows of x that each expert multiplies.
void add_importance(const Context& context, ConstMatrix x, ExpertInput input, const Weight& weight,
                    const Routing& routing);

}  // namespace gesso::ops
