// What the sampler needs to know of each canvas position.
#pragma once

#include <cstdint>
#include <span>

#include "core/random.h"
#include "core/staged.h"
#include "core/tensor.h"
#include "ops/op.h"

namespace gesso::ops {

// One value for each of R rows. The arrays are views; the caller owns the memory.
struct TokenStats {
  std::span<float> entropy;    // of softmax(z), in nats
  std::span<int32_t> argmax;   // of z; the lowest id among equals
  std::span<int32_t> sampled;  // a draw from softmax(z): argmax_v(z[v] + gumbel(key, v)), the lowest id among equals
};

// Computes z = logits / temperature, which replaces the logits, and the statistics of z.
struct TokenStatsArguments {
  Matrix logits;         // [R, V]; -inf is allowed: its p ln p counts as 0
  float temperature;     // > 0
  Staged<DrawKey> keys;  // [R]
  TokenStats stats;
};

}  // namespace gesso::ops

GESSO_OP(token_stats, TokenStatsArguments)
