#include "ops/expert_gated_linear.h"

#include "cpu/gelu_mul.h"
#include "ops/expert_linear.h"

namespace gesso::cpu {

void expert_gated_linear(const Context& context, ConstMatrix x, const GatedWeights& weights,
                         const ops::Routing& routing, Matrix scratch, Matrix out) {
  const int64_t ffn = out.columns;
  const Matrix gate = scratch.column_range(0, ffn), up = scratch.column_range(ffn, ffn);
  const auto by_token = ops::ExpertInput::kTokens;
  if (weights.gate_up) {
    cpu::expert_linear(context, x, by_token, weights.gate_up, routing, scratch);
  } else {
    cpu::expert_linear(context, x, by_token, weights.gate, routing, gate);
    cpu::expert_linear(context, x, by_token, weights.up, routing, up);
  }
  gelu_mul(context, gate, up, out);
}

}  // namespace gesso::cpu
