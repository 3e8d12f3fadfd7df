// The soft embedding of each row: the mean of all tokens' embeddings, weighted by the row's probabilities.
#pragma once

#include "core/tensor.h"
#include "ops/op.h"

namespace gesso::ops {

// out[r] = scale * sum_v softmax(logits[r])_v * table[v].
struct SoftEmbedArguments {
  // [R, V]. A logit of -inf is allowed and has no weight. Each row needs at least one finite logit.
  ConstMatrix logits;
  const Tensor& table;  // [V, D]; finite on a GPU, which multiplies weights of zero too
  float scale;
  Matrix out;  // [R, D]
};

}  // namespace gesso::ops

GESSO_OP(soft_embed, SoftEmbedArguments)
