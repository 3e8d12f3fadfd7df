#include "model/denoise.h"

#include <algorithm>

#include "model/layer.h"
#include "model/self_conditioning.h"
#include "ops/lm_head.h"
#include "ops/rms_norm.h"

namespace gesso::model {
namespace {

// One pass over requests that fit the activations.
void denoise_pass(const Context& context, const ModelConfig& config, const Weights& weights,
                  std::span<const DenoiseRequest> requests, Activations& activations) {
  const int64_t canvas_length = config.canvas_length;
  Batch batch{Mode::kDenoise, {}, static_cast<int64_t>(requests.size()) * canvas_length};
  for (const DenoiseRequest& request : requests) {
    context.poll();
    const int64_t first_row = static_cast<int64_t>(batch.sequences.size()) * canvas_length;
    batch.sequences.push_back({request.cache, first_row, canvas_length, request.cache->length()});
    self_conditioned_embedding(context, config, weights, request.canvas,
                               request.has_self_conditioning ? request.logits : Matrix(), activations,
                               activations.hidden(batch.num_rows).row_range(first_row, canvas_length));
  }
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    transformer_layer(context, config, weights, layer, AttentionPart::kAll, batch, activations);
  }
  const Matrix normed = activations.normed(batch.num_rows);
  ops::rms_norm(context, activations.hidden(batch.num_rows), weights.output_norm, config.rms_norm_eps, 1.0f, normed);
  for (size_t i = 0; i < requests.size(); ++i) {
    context.poll();
    ops::lm_head(context, normed.row_range(batch.sequences[i].first_row, canvas_length), weights.output,
                 config.final_logit_softcapping, requests[i].logits);
  }
}

}  // namespace

void denoise(const Context& context, const ModelConfig& config, const Weights& weights,
             std::span<const DenoiseRequest> requests, Activations& activations) {
  const size_t per_pass = std::max<int64_t>(1, activations.max_rows() / config.canvas_length);
  for (size_t first = 0; first < requests.size(); first += per_pass) {
    denoise_pass(context, config, weights, requests.subspan(first, std::min(per_pass, requests.size() - first)),
                 activations);
  }
}

}  // namespace gesso::model
