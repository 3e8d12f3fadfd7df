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

void expert_gated_linear(const Context& context, const ops::ExpertGatedLinearArguments& a) {
  const int32_t* rows = a.routing.token_of_slot.data();
  if (is_alike(a.weights)) {
    const Weight& weight = a.weights.gate_up ? a.weights.gate_up : a.weights.gate;
    return multiply_experts_gated(context, pack_rows(context, a.x, ops::kind_of(weight)), rows, a.routing, a.weights,
                                  a.out, a.rounding);
  }
  const Matrix up_out(context.queue->scratch<float>(Scratch::kGated, a.out.rows * a.out.columns), a.out.rows,
                      a.out.columns);
  const auto project = [&](const Weight& weight, Matrix out) {
    cuda::expert_linear(
        context, {.x = a.x, .input = ops::ExpertInput::kTokens, .weight = weight, .routing = a.routing, .out = out});
  };
  project(a.weights.gate, a.out);
  project(a.weights.up, up_out);
  gelu_mul(*context.queue, up_out, a.out);
  fill_slot(context, a.out, a.rounding);
}

}  // namespace gesso::cuda
