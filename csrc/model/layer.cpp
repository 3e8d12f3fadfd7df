#include "model/layer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "model/moe.h"
#include "ops/feed_forward_add.h"
#include "ops/rms_norm.h"

namespace gesso::model {
namespace {

// What is made of the residual stream before a layer: the input of its attention. Behind the last layer it is the input
// of the head.
ops::NormedRows input_of(const PassContext& pass, int64_t layer, int64_t rows) {
  if (layer == pass.config.num_hidden_layers) {
    return {.weight = pass.weights.output_norm, .out = pass.memory.normed(rows)};
  }
  const LayerWeights& w = pass.weights.layers[layer];
  return {.weight = w.attn_norm,
          .out = pass.memory.normed(rows),
          .rounding = {kInputSlot, {&w.attn_q, &w.attn_k, &w.attn_v}}};
}

// The inputs of the dense MLP, of the router and of the experts, all made of the residual stream. The router's is not
// rounded.
std::array<ops::NormedRows, 3> feed_forward_inputs(const PassContext& pass, const LayerWeights& w, int64_t rows) {
  const float router_scale = 1.0f / std::sqrt(static_cast<float>(pass.config.hidden_size));
  const GatedWeights& experts = w.ffn_gate_up_exps;
  return {{{.weight = w.ffn_norm, .out = pass.memory.normed(rows), .rounding = {kInputSlot, {&w.ffn_gate, &w.ffn_up}}},
           {.weight = w.ffn_gate_inp_scale, .scale = router_scale, .out = pass.memory.normed(rows, kRouterSlot)},
           {.weight = w.pre_ffw_norm_2,
            .out = pass.memory.normed(rows, kExpertsSlot),
            .rounding = {kExpertsSlot, {&experts.gate_up, &experts.gate, &experts.up}}}}};
}

// Runs the experts, for some rows at a time, and ends the layer.
void finish_layer(const PassContext& pass, int64_t layer, const Batch& batch, Matrix mlp,
                  const ops::NormedRows& of_router, const ops::NormedRows& of_experts) {
  const LayerWeights& w = pass.weights.layers[layer];
  const int64_t rows = mlp.rows, part = pass.memory.expert_rows();
  for (int64_t first = 0; first < rows; first += part) {
    const int64_t count = std::min(part, rows - first);
    const PassScratch::Experts experts = routed_experts(pass, w, of_router.out.row_range(first, count),
                                                        of_experts.activations().row_range(first, count));
    const ops::NormedRows next = input_of(pass, layer + 1, rows).row_range(first, count);
    ops::feed_forward_add(pass.context,
                          {.mlp = mlp.row_range(first, count),
                           .experts = experts.down,
                           .routing = experts.routing,
                           .mlp_norm = w.post_ffw_norm_1,
                           .experts_norm = w.post_ffw_norm_2,
                           .sum_norm = w.post_ffw_norm,
                           .eps = pass.config.rms_norm_eps,
                           .canvas_scale = w.layer_output_scale,
                           .text_scale = w.enc_layer_output_scale,
                           .num_canvas_rows = std::clamp<int64_t>(batch.num_canvas_rows - first, 0, count),
                           .scratch = pass.memory.projected(rows).row_range(first, count),
                           .residual = pass.memory.hidden(rows).row_range(first, count),
                           .next = std::span(&next, 1)});
  }
}

}  // namespace

void begin_layers(const PassContext& pass, const Batch& batch) {
  const ops::NormedRows input = input_of(pass, 0, batch.num_rows);
  ops::rms_norm(pass.context, {.x = pass.memory.hidden(batch.num_rows),
                               .weight = input.weight,
                               .eps = pass.config.rms_norm_eps,
                               .out = input.out,
                               .rounding = input.rounding});
}

// With h the residual stream, in this order:
//   h = h + rms(attention(rms(h, attn_norm)), post_attention_norm)
//   s = rms(mlp(rms(h, ffn_norm)), post_ffw_norm_1) + rms(experts(h), post_ffw_norm_2)
//   h = (h + rms(s, post_ffw_norm)) * layer_scalar        canvases and texts have a scalar each
// The op that changes h also makes the norms of h that are read next.
void transformer_layer(const PassContext& pass, int64_t layer, const Batch& batch) {
  const Context& context = pass.context;
  const LayerWeights& w = pass.weights.layers[layer];
  const bool is_last = layer + 1 == pass.config.num_hidden_layers;
  const int64_t rows = is_last ? batch.num_canvas_rows : batch.num_rows;  // those that are read after this layer
  context.poll();

  const Matrix projected = pass.memory.projected(rows);
  attention_block(pass, layer, batch, input_of(pass, layer, batch.num_rows).activations(), projected);
  if (rows == 0) return;
  const std::array<ops::NormedRows, 3> next = feed_forward_inputs(pass, w, rows);
  const auto& [of_mlp, of_router, of_experts] = next;
  ops::rms_norm_add(context, {.x = projected,
                              .weight = w.post_attention_norm,
                              .eps = pass.config.rms_norm_eps,
                              .residual = pass.memory.hidden(rows),
                              .next = next});

  const Matrix mlp = pass.memory.feed_forward_sum(rows);
  gated_mlp(context, of_mlp.activations(), w.ffn_gate, w.ffn_up, w.ffn_down, pass.memory.gate_up(rows), mlp);
  finish_layer(pass, layer, batch, mlp, of_router, of_experts);
}

}  // namespace gesso::model
