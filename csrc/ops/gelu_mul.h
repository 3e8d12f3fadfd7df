// The gated activation between an MLP's projections.
#pragma once

#include "core/context.h"
#include "core/tensor.h"

namespace gesso::ops {

// out = gelu_tanh(gate) * up,  gelu_tanh(x) = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).
// gate, up, out [R, F]; out may be gate.
void gelu_mul(const Context& context, ConstMatrix gate, ConstMatrix up, Matrix out);

}  // namespace gesso::ops

namespace gesso::cpu {
void gelu_mul(const Context& context, ConstMatrix gate, ConstMatrix up, Matrix out);
}
