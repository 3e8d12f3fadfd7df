// The first half of an MLP: its gate and up projections, and the gated activation between them.
#pragma once

#include "core/context.h"
#include "ops/weight.h"

namespace gesso::ops {

// out = gelu_tanh(gate.scale * (x . gate^T)) * (up.scale * (x . up^T)),
// gelu_tanh(x) = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).
// x [R, K]; gate, up [F, K] of any computable type; out, scratch [R, F]. What scratch holds afterwards is unspecified.
void gated_linear(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up, Matrix scratch,
                  Matrix out);

}  // namespace gesso::ops

namespace gesso::cpu {
void gated_linear(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up, Matrix scratch,
                  Matrix out);
}
namespace gesso::cuda {
void gated_linear(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up, Matrix out);
}
