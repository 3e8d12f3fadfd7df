// A layer's attention.
#pragma once

#include "core/tensor.h"
#include "model/batch.h"
#include "model/pass_context.h"

namespace gesso::model {

// What of a layer's attention is wanted.
enum class AttentionPart {
  kAll,
  kKeysAndValues,  // an encode's last layer: nobody reads more of it
};

// Fills batch.layers: where each layer's new keys and values go, and what its rows see.
void stage_attention(const PassContext& pass, Batch& batch);

// out = Wo attention(q, k, v), with q, k and v from `normed`; keys and values go into the cache (encode) or into the
// pass' own memory (denoise).   normed, out [R, D]; kKeysAndValues leaves out as it is.
void attention_block(const PassContext& pass, int64_t layer, AttentionPart part, const Batch& batch, ConstMatrix normed,
                     Matrix out);

}  // namespace gesso::model
