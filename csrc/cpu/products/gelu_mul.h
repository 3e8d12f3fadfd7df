// The gated activation of an MLP, for gated_linear and expert_gated_linear: gelu(gate) * up.
#pragma once

#include "core/context.h"
#include "core/tensor.h"

namespace gesso::cpu {

// out = gelu_tanh(gate) * up.   gate, up, out [R, F]; out may be gate.
void gelu_mul(const Context& context, ConstMatrix gate, ConstMatrix up, Matrix out);

}  // namespace gesso::cpu
