// The attention of one layer.
#pragma once

#include "core/tensor.h"
#include "model/batch.h"
#include "model/pass_context.h"

namespace gesso::model {

// Which part of a layer's attention is computed.
enum class AttentionPart {
  kAll,
  kKeysAndValues,  // for the last layer of an encode: nobody reads its output
};

// Fills batch.layers. For each layer it says where the new keys and values go, and which keys the rows see.
void stage_attention(const PassContext& pass, Batch& batch);

// out = Wo attention(q, k, v), where q, k and v are projections of `normed`. Keys and values are written to the cache
// when encoding, and to the pass scratch when denoising. With kKeysAndValues `out` is not written.   normed, out [R,
// D].
void attention_block(const PassContext& pass, int64_t layer, AttentionPart part, const Batch& batch, ConstMatrix normed,
                     Matrix out);

}  // namespace gesso::model
