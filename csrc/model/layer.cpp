#include "model/layer.h"

#include <array>
#include <cmath>

#include "model/moe.h"
#include "ops/rms_norm.h"

namespace gesso::model {
namespace {

// The inputs of the dense MLP, of the router and of the experts, all made of the residual stream.
std::array<ops::NormedRows, 3> feed_forward_inputs(const PassContext& pass, const LayerWeights& w, int64_t rows) {
  const float router_scale = 1.0f / std::sqrt(static_cast<float>(pass.config.hidden_size));
  const GatedWeights& experts = w.ffn_gate_up_exps;
  return {{{.weight = w.ffn_norm, .out = pass.memory.normed(rows, 0), .rounding = {0, {&w.ffn_gate, &w.ffn_up}}},
           {.weight = w.ffn_gate_inp_scale,
            .scale = router_scale,
            .out = pass.memory.normed(rows, 1),
            .rounding = {1, {&w.ffn_gate_inp}}},
           {.weight = w.pre_ffw_norm_2,
            .out = pass.memory.normed(rows, 2),
            .rounding = {2, {&experts.gate_up, &experts.gate, &experts.up}}}}};
}

}  // namespace

// With h the residual stream, in this order:
//   h = h + rms(attention(rms(h, attn_norm)), post_attention_norm)
//   s = rms(mlp(rms(h, ffn_norm)), post_ffw_norm_1) + rms(experts(h), post_ffw_norm_2)
//   h = (h + rms(s, post_ffw_norm)) * layer_scalar        canvases and texts have a scalar each
void transformer_layer(const PassContext& pass, int64_t layer, const Batch& batch) {
  const Context& context = pass.context;
  const LayerWeights& w = pass.weights.layers[layer];
  const float eps = pass.config.rms_norm_eps;
  const bool is_last = layer + 1 == pass.config.num_hidden_layers;
  const int64_t rows = is_last ? batch.num_canvas_rows : batch.num_rows;  // those that are read after this layer
  context.poll();

  const ops::Activations normed(pass.memory.normed(batch.num_rows), {0, {&w.attn_q, &w.attn_k, &w.attn_v}});
  ops::rms_norm(context, {.x = pass.memory.hidden(batch.num_rows),
                          .weight = w.attn_norm,
                          .eps = eps,
                          .out = pass.memory.normed(batch.num_rows),
                          .rounding = normed.rounding});
  const Matrix projected = pass.memory.projected(rows);
  attention_block(pass, layer, batch, normed, projected);
  if (rows == 0) return;
  const Matrix h = pass.memory.hidden(rows);
  const Matrix sum = pass.memory.feed_forward_sum(rows);
  const std::array<ops::NormedRows, 3> next = feed_forward_inputs(pass, w, rows);
  const auto& [of_mlp, of_router, of_experts] = next;
  ops::rms_norm_add(context,
                    {.x = projected, .weight = w.post_attention_norm, .eps = eps, .residual = h, .next = next});

  gated_mlp(context, of_mlp.activations(), w.ffn_gate, w.ffn_up, w.ffn_down, pass.memory.gate_up(rows), projected);
  ops::rms_norm(context, {.x = projected, .weight = w.post_ffw_norm_1, .eps = eps, .out = sum});
  routed_experts(pass, w, of_router.activations(), of_experts.activations(), projected);
  ops::rms_norm_add(context, {.x = projected, .weight = w.post_ffw_norm_2, .eps = eps, .residual = sum});
  const auto finish = [&](float layer_scalar, int64_t first_row, int64_t num_rows) {
    if (num_rows == 0) return;
    ops::rms_norm_add(context, {.x = sum.row_range(first_row, num_rows),
                                .weight = w.post_ffw_norm,
                                .eps = eps,
                                .scale = layer_scalar,
                                .residual = h.row_range(first_row, num_rows)});
  };
  finish(w.layer_output_scale, 0, batch.num_canvas_rows);
  finish(w.enc_layer_output_scale, batch.num_canvas_rows, rows - batch.num_canvas_rows);
}

}  // namespace gesso::model
