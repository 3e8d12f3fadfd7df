// A canvas' input rows: the embedding plus what the previous step believed.
#pragma once

#include <cstdint>
#include <span>

#include "core/context.h"
#include "model/activations.h"
#include "model/weights.h"

namespace gesso::model {

// hidden = rms(embed(ids) * sqrt(D) + s) without weight;  s = mlp(rms(soft, self_cond_pre_norm)),
// soft = softmax(z) . token_embd * sqrt(D).   ids [C]; hidden [C, D]; z [C, V] are the processed logits of the step
// before. No rows in z means the first step: soft is zero, and with it s (which is not what zero logits would give).
// Uses the activations' normed, projected and gate_up as scratch.
void self_conditioned_embedding(const Context& context, const ModelConfig& config, const Weights& weights,
                                std::span<const int32_t> ids, ConstMatrix z, Activations& activations, Matrix hidden);

}  // namespace gesso::model
