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

// out = sum over each row's experts, before post_ffw_norm_2.   hidden, normed (scratch), out [R, D], R <=
// expert_rows().
void experts_band(const Context& context, const ModelConfig& config, const LayerWeights& weights, ConstMatrix hidden,
                  Matrix normed, Activations::Experts scratch, Matrix out) {
  const int64_t ffn = config.moe_intermediate_size;
  const float router_scale = 1.0f / std::sqrt(static_cast<float>(config.hidden_size));
  ops::rms_norm(context, hidden, weights.ffn_gate_inp_scale, config.rms_norm_eps, router_scale, normed);
  ops::linear(context, normed, weights.ffn_gate_inp, scratch.scores);
  ops::route(context, scratch.scores, weights.ffn_down_exps_scale, scratch.routing);

  ops::rms_norm(context, hidden, weights.pre_ffw_norm_2, config.rms_norm_eps, 1.0f, normed);
  const Matrix gated = scratch.gate_up.column_range(0, ffn);
  ops::expert_gated_linear(context, normed, weights.ffn_gate_up_exps, scratch.routing, scratch.gate_up, gated);
  ops::expert_linear(context, gated, ops::ExpertInput::kSlots, weights.ffn_down_exps, scratch.routing, scratch.down);
  ops::expert_combine(context, scratch.down, scratch.routing, out);
}

}  // namespace

void gated_mlp(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up, const Weight& down,
               Matrix scratch, Matrix out) {
  const int64_t ffn = scratch.columns / 2;
  const Matrix gated = scratch.column_range(0, ffn);
  ops::gated_linear(context, x, gate, up, scratch.column_range(ffn, ffn), gated);
  ops::linear(context, gated, down, out);
}

void feed_forward_block(const Context& context, const ModelConfig& config, const LayerWeights& weights,
                        float layer_scalar, int64_t rows, Activations& activations) {
  const float eps = config.rms_norm_eps;
  const Matrix hidden = activations.hidden(rows), normed = activations.normed(rows);
  const Matrix projected = activations.projected(rows), dense = activations.dense(rows);
  ops::rms_norm(context, hidden, weights.ffn_norm, eps, 1.0f, normed);
  gated_mlp(context, normed, weights.ffn_gate, weights.ffn_up, weights.ffn_down, activations.gate_up(rows), projected);
  ops::rms_norm(context, projected, weights.post_ffw_norm_1, eps, 1.0f, dense);
  for (int64_t first = 0; first < rows; first += activations.expert_rows()) {
    const int64_t band = std::min(activations.expert_rows(), rows - first);
    experts_band(context, config, weights, hidden.row_range(first, band), normed.row_range(first, band),
                 activations.experts(band), projected.row_range(first, band));
  }
  ops::rms_norm_add(context, projected, weights.post_ffw_norm_2, eps, 1.0f, dense);
  ops::rms_norm_add(context, dense, weights.post_ffw_norm, eps, layer_scalar, hidden);
}

}  // namespace gesso::model
