// A layer's attention.
#pragma once

#include "core/tensor.h"
#include "model/batch.h"
#include "model/pass_context.h"

namespace gesso::model {

// Which part of a layer's attention is computed.
enum class AttentionPart {
  kAll,
  kKeysAndValues,  // in the last layer of an encode, whose output nobody reads
};

// Fills batch.layers: where each layer's new keys and values go, and what its rows see.
void stage_attention(const PassContext& pass, Batch& batch);

// out = Wo attention(q, k, v), where q, k and v are projections of `normed`. Keys and values are written to the cache
// when encoding and to the pass memory when denoising.   normed, out [R, D]; with kKeysAndValues `out` is not written.
void attention_block(const PassContext& pass, int64_t layer, AttentionPart part, const Batch& batch, ConstMatrix normed,
                     Matrix out);

}  // namespace gesso::model
