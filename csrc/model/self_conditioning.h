// A canvas' input rows: the embedding of its tokens, and what the step before tells about them.
#pragma once

#include <cstdint>

#include "core/staged.h"
#include "core/tensor.h"
#include "model/pass_context.h"

namespace gesso::model {

// sqrt(D), which embeddings are multiplied with; in float32, as in the reference's float32 run.
float embed_scale(const ModelConfig& config);

// hidden = rms(embed(ids) * sqrt(D) + s) without weight;  s = mlp(rms(soft_embedding, self_cond_pre_norm)).
// soft_embedding = softmax(z) . token_embd * sqrt(D), z the processed logits of the step before. It has no rows before
// the first step: s is zero then (which is not what logits of zero would give).   ids [R]; hidden, soft_embedding [R,
// D]. Uses the pass memory's normed, projected and gate_up as scratch.
void self_conditioned_embedding(const PassContext& pass, Staged<int32_t> ids, ConstMatrix soft_embedding,
                                Matrix hidden);

}  // namespace gesso::model
