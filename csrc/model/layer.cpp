#include "model/layer.h"

#include "model/moe.h"
#include "ops/rms_norm.h"

namespace gesso::model {

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
  const Matrix all_normed = pass.memory.normed(batch.num_rows);
  context.poll();

  ops::rms_norm(context,
                {.x = pass.memory.hidden(batch.num_rows), .weight = w.attn_norm, .eps = eps, .out = all_normed});
  const Matrix projected = pass.memory.projected(rows);
  attention_block(pass, layer, batch, all_normed, projected);
  if (rows == 0) return;
  const Matrix h = pass.memory.hidden(rows), normed = pass.memory.normed(rows);
  const Matrix sum = pass.memory.feed_forward_sum(rows);
  ops::rms_norm_add(context, {.x = projected, .weight = w.post_attention_norm, .eps = eps, .residual = h});

  ops::rms_norm(context, {.x = h, .weight = w.ffn_norm, .eps = eps, .out = normed});
  gated_mlp(context, normed, w.ffn_gate, w.ffn_up, w.ffn_down, pass.memory.gate_up(rows), projected);
  ops::rms_norm(context, {.x = projected, .weight = w.post_ffw_norm_1, .eps = eps, .out = sum});
  routed_experts(pass, w, h, normed, projected);
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
