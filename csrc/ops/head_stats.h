// The head of a denoising step: for each position the statistics that the sampler needs, and the soft embedding that
// the next step needs.
#pragma once

#include <cstdint>

#include "core/random.h"
#include "core/staged.h"
#include "core/tensor.h"
#include "ops/op.h"
#include "ops/soft_embed.h"
#include "ops/token_stats.h"
#include "ops/weight.h"

namespace gesso::ops {

// What may differ from row to row.
struct HeadRow {
  DrawKey key;
  float temperature = 1.0f;
};

// z[r] = cap * tanh(x[r] . head^T / cap) / rows[r].temperature, its statistics as token_stats defines them, and
// soft_embedding[r] = embed_scale * softmax(z[r]) . table as soft_embed has it. z is never written whole. Where a row's
// z or soft embedding is not finite, its entropy is NaN. Where its z is not, its soft embedding stays as it was.
struct HeadStatsArguments {
  ConstMatrix x;                        // [R, D]
  const Weight& head;                   // [V, D]
  const Tensor& table;                  // [V, D']
  float cap;                            // > 0
  float embed_scale;                    // sqrt(D')
  Staged<HeadRow> rows;                 // [R], temperature > 0
  TokenStats stats;                     // [R]
  Matrix soft_embedding;                // [R, D']
  double left_out_share = kExactShare;  // of the soft embedding, see SoftEmbedArguments
};

}  // namespace gesso::ops

GESSO_OP(head_stats, HeadStatsArguments)
