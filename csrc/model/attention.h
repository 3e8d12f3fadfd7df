// The attention of one layer.
#pragma once

#include "core/tensor.h"
#include "model/batch.h"
#include "model/pass_context.h"
#include "ops/activations.h"

namespace gesso::model {

// Fills batch.layers. For each layer it says where the new keys and values go, and which keys the rows see. The caches
// must have room for the texts' rows already (KvCache::append).
void stage_attention(const PassContext& pass, Batch& batch);

// out = Wo attention(q, k, v), where q, k and v are projections of `normed`. Keys and values of texts are written to
// their caches, those of canvases to the pass scratch. `out` has the rows that are still read after this layer's keys
// and values are written: all, only those of the canvases, or none.
//   normed [R, D]; out [R, D], [num_canvas_rows, D] or [0, D].
void attention_block(const PassContext& pass, int64_t layer, const Batch& batch, const ops::Activations& normed,
                     Matrix out);

}  // namespace gesso::model
