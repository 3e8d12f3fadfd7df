// The first half of an MLP: its gate and up projections, and the gated activation between them.
#pragma once

#include "core/tensor.h"
#include "ops/activations.h"
#include "ops/op.h"
#include "ops/weight.h"

namespace gesso::ops {

// out = gelu_tanh(gate.scale * (x . gate^T)) * (up.scale * (x . up^T)),
// gelu_tanh(x) = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).
struct GatedLinearArguments {
  Activations x;           // [R, K]
  const Weight& gate;      // [F, K] of any computable type
  const Weight& up;        // [F, K] of any computable type
  Matrix scratch;          // [R, F], for the CPU; what it holds afterwards is unspecified
  Matrix out;              // [R, F]
  Rounding rounding = {};  // of out, which has a single product
};

}  // namespace gesso::ops

GESSO_OP(gated_linear, GatedLinearArguments)
