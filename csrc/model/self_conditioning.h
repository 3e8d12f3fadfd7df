// The input rows of a canvas: the embeddings of its tokens, and a signal from the step before.
#pragma once

#include <cstdint>

#include "core/staged.h"
#include "core/tensor.h"
#include "model/pass_context.h"

namespace gesso::model {

// sqrt(D), by which embeddings are multiplied. It is float32, as when the reference runs in float32.
float embed_scale(const ModelConfig& config);

// The share of a row's probabilities that its soft embedding may leave out. It is ops::kExactShare, unless the products
// that read the soft embedding round its rows to 8 bits anyway, and the caller did not ask for the exact one.
double left_out_share(const PassContext& pass);

// hidden = rms(embed(ids) * sqrt(D) + s) without weight;  s = mlp(rms(soft_embedding, self_cond_pre_norm)).
//   soft_embedding = softmax(z) . token_embd * sqrt(D), with z the processed logits of the step before.
// In the first step soft_embedding has no rows, and s is zero. (Logits of zero would give another s.) The function uses
// the pass scratch's normed, projected and gate_up as scratch.   ids [R]; hidden, soft_embedding [R, D].
void self_conditioned_embedding(const PassContext& pass, Staged<int32_t> ids, ConstMatrix soft_embedding,
                                Matrix hidden);

}  // namespace gesso::model
