// The attention half of a layer.
#pragma once

#include "core/context.h"
#include "model/activations.h"
#include "model/batch.h"
#include "model/weights.h"

namespace gesso::model {

// What of a layer's attention is wanted.
enum class AttentionPart {
  kAll,
  kKeysAndValues,  // an encode's last layer: nobody reads more of it
};

// Fills batch.layers: where each layer's new keys and values go, and what its rows see.
void stage_attention(const ModelConfig& config, const Weights& weights, Batch& batch, Activations& activations);

// n = rms(h, attn_norm); q, k, v from n; keys and values into the cache (encode) or behind it (denoise); then
// h = h + rms(Wo attention(q, k, v), post_attention_norm).   h = activations.hidden.
void attention_block(const Context& context, const ModelConfig& config, const Weights& weights, int64_t layer,
                     AttentionPart part, const Batch& batch, Activations& activations);

}  // namespace gesso::model
