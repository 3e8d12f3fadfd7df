// A canvas' input rows: the embedding plus what the previous step believed.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/staged.h"
#include "model/activations.h"
#include "model/weights.h"

namespace gesso::model {

// sqrt(D), which embeddings are multiplied with; in float32, as in the reference's float32 run.
float embed_scale(const ModelConfig& config);

// hidden = rms(embed(ids) * sqrt(D) + s) without weight;  s = mlp(rms(soft, self_cond_pre_norm)),
// soft = softmax(z) . token_embd * sqrt(D), z the processed logits of the step before: the belief.   ids [R]; hidden,
// belief [R, D]. No rows in the belief means the first step: soft is zero, and with it s
// (which is not what zero logits would give). Uses the activations' normed, projected and gate_up as scratch.
void self_conditioned_embedding(const Context& context, const ModelConfig& config, const Weights& weights,
                                Staged<int32_t> ids, ConstMatrix belief, Activations& activations, Matrix hidden);

}  // namespace gesso::model
