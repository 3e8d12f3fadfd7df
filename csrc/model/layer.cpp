#include "model/layer.h"

#include "model/moe.h"
#include "ops/rms_norm.h"

namespace gesso::model {

// With h the residual stream, in this order:
//   h = h + rms(attention(rms(h, attn_norm)), post_attention_norm)
//   s = rms(mlp(rms(h, ffn_norm)), post_ffw_norm_1) + rms(experts(h), post_ffw_norm_2)
//   h = (h + rms(s, post_ffw_norm)) * layer_scalar
void transformer_layer(const PassContext& pass, int64_t layer, AttentionPart part, const Batch& batch) {
  const Context& context = pass.context;
  const LayerWeights& w = pass.weights.layers[layer];
  const float eps = pass.config.rms_norm_eps;
  const float layer_scalar = batch.mode == Mode::kEncode ? w.enc_layer_output_scale : w.layer_output_scale;
  const int64_t rows = batch.num_rows;
  const Matrix h = pass.memory.hidden(rows), normed = pass.memory.normed(rows);
  const Matrix projected = pass.memory.projected(rows), sum = pass.memory.feed_forward_sum(rows);
  context.poll();

  ops::rms_norm(context, {.x = h, .weight = w.attn_norm, .eps = eps, .out = normed});
  attention_block(pass, layer, part, batch, normed, projected);
  if (part == AttentionPart::kKeysAndValues) return;
  ops::rms_norm_add(context, {.x = projected, .weight = w.post_attention_norm, .eps = eps, .residual = h});

  ops::rms_norm(context, {.x = h, .weight = w.ffn_norm, .eps = eps, .out = normed});
  gated_mlp(context, normed, w.ffn_gate, w.ffn_up, w.ffn_down, pass.memory.gate_up(rows), projected);
  ops::rms_norm(context, {.x = projected, .weight = w.post_ffw_norm_1, .eps = eps, .out = sum});
  routed_experts(pass, w, h, normed, projected);
  ops::rms_norm_add(context, {.x = projected, .weight = w.post_ffw_norm_2, .eps = eps, .residual = sum});
  ops::rms_norm_add(context, {.x = sum, .weight = w.post_ffw_norm, .eps = eps, .scale = layer_scalar, .residual = h});
}

}  // namespace gesso::model
