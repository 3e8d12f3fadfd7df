// The soft embedding of each row: the mean of all tokens' embeddings, weighted by the row's probabilities.
#pragma once

#include "core/tensor.h"
#include "ops/op.h"

namespace gesso::ops {

// The share that may be left out where results are to be as exact as float32 allows: half a unit in the last place.
inline constexpr double kExactShare = 0x1p-24;

// out[r] = scale * sum_v softmax(logits[r])_v * table[v].
struct SoftEmbedArguments {
  // [R, V]. A logit of -inf is allowed and has no weight. Each row needs at least one finite logit.
  ConstMatrix logits;
  const Tensor& table;  // [V, D]; finite on a GPU, which multiplies weights of zero too
  float scale;
  Matrix out;  // [R, D]
  // The CPU may leave out the smallest probabilities of a row as long as they sum to at most this, from 0 to 1. It
  // changes `out` by at most about this part of the table's largest values. A GPU leaves out nothing.
  double left_out_share = kExactShare;
};

}  // namespace gesso::ops

GESSO_OP(soft_embed, SoftEmbedArguments)
