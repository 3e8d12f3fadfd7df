#include "model/moe.h"

#include <algorithm>
#include <cmath>

#include "ops/expert_combine.h"
#include "ops/expert_gated_linear.h"
#include "ops/expert_linear.h"
#include "ops/gated_linear.h"
#include "ops/linear.h"
#include "ops/rms_norm.h"
#include "ops/route.h"

namespace gesso::model {
namespace {

// Computes the experts for one part of the rows, at most expert_rows() of them.
void experts_of_part(const PassContext& pass, const LayerWeights& w, ConstMatrix h, Matrix normed, Matrix out) {
  const Context& context = pass.context;
  const float eps = pass.config.rms_norm_eps;
  const float router_scale = 1.0f / std::sqrt(static_cast<float>(pass.config.hidden_size));
  const PassScratch::Experts scratch = pass.memory.experts(h.rows);
  const ops::Routing& routing = scratch.routing;
  ops::rms_norm(context, {.x = h, .weight = w.ffn_gate_inp_scale, .eps = eps, .scale = router_scale, .out = normed});
  ops::linear(context, {.x = normed, .weight = w.ffn_gate_inp, .out = scratch.scores});
  ops::route(context, {.scores = scratch.scores, .per_expert_scale = w.ffn_down_exps_scale, .routing = routing});

  ops::rms_norm(context, {.x = h, .weight = w.pre_ffw_norm_2, .eps = eps, .out = normed});
  const Matrix gated = scratch.gate_up.column_range(0, pass.config.moe_intermediate_size);
  ops::expert_gated_linear(
      context,
      {.x = normed, .weights = w.ffn_gate_up_exps, .routing = routing, .scratch = scratch.gate_up, .out = gated});
  ops::expert_linear(context, {.x = gated,
                               .input = ops::ExpertInput::kSlots,
                               .weight = w.ffn_down_exps,
                               .routing = routing,
                               .out = scratch.down});
  ops::expert_combine(context, {.y = scratch.down, .routing = routing, .out = out});
}

}  // namespace

void gated_mlp(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up, const Weight& down,
               Matrix scratch, Matrix out) {
  const int64_t ffn = scratch.columns / 2;
  const Matrix gated = scratch.column_range(0, ffn), rest = scratch.column_range(ffn, ffn);
  ops::gated_linear(context, {.x = x, .gate = gate, .up = up, .scratch = rest, .out = gated});
  ops::linear(context, {.x = gated, .weight = down, .out = out});
}

void routed_experts(const PassContext& pass, const LayerWeights& w, ConstMatrix h, Matrix normed, Matrix out) {
  for (int64_t first = 0; first < h.rows; first += pass.memory.expert_rows()) {
    const int64_t count = std::min(pass.memory.expert_rows(), h.rows - first);
    experts_of_part(pass, w, h.row_range(first, count), normed.row_range(first, count), out.row_range(first, count));
  }
}

}  // namespace gesso::model
