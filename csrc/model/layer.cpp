#include "model/layer.h"

#include "model/moe.h"

namespace gesso::model {

void transformer_layer(const Context& context, const ModelConfig& config, const Weights& weights, int64_t layer,
                       AttentionPart part, const Batch& batch, Activations& activations) {
  context.poll();
  attention_block(context, config, weights, layer, part, batch, activations);
  if (part == AttentionPart::kKeysAndValues) return;
  const LayerWeights& w = weights.layers[layer];
  const float layer_scalar = batch.mode == Mode::kEncode ? w.enc_layer_output_scale : w.layer_output_scale;
  feed_forward_block(context, config, w, layer_scalar, batch.num_rows, activations);
}

}  // namespace gesso::model
