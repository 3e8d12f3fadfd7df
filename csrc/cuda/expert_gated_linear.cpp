#include "ops/expert_gated_linear.h"

#include "cuda/gemm/gelu_mul.h"
#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"
#include "ops/expert_linear.h"

namespace gesso::cuda {
namespace {

int64_t num_scales(const Weight& weight) { return weight.scale ? weight.scale.shape.num_elements() : 0; }

// Whether gate and up are stored alike. Then one kernel multiplies with both.
bool is_alike(const GatedWeights& weights) {
  if (weights.gate_up) return true;
  return weights.gate.values.dtype == weights.up.values.dtype && num_scales(weights.gate) == num_scales(weights.up);
}

}  // namespace

void expert_gated_linear(const Context& context, ConstMatrix x, const GatedWeights& weights,
                         const ops::Routing& routing, Matrix out) {
  const int32_t* rows = routing.token_of_slot.data();
  if (is_alike(weights)) {
    const DType type = (weights.gate_up ? weights.gate_up : weights.gate).values.dtype;
    return multiply_experts_gated(context, pack_rows(context, x, type), rows, routing, weights, out);
  }
  const Matrix up_out(context.queue->scratch<float>(Scratch::kGated, out.rows * out.columns), out.rows, out.columns);
  const auto by_token = ops::ExpertInput::kTokens;
  cuda::expert_linear(context, x, by_token, weights.gate, routing, out);
  cuda::expert_linear(context, x, by_token, weights.up, routing, up_out);
  gelu_mul(*context.queue, up_out, out);
}

}  // namespace gesso::cuda
