// What the sampler needs to know of each canvas position.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/random.h"
#include "core/staged.h"
#include "core/tensor.h"
#include "ops/op.h"

namespace gesso::ops {

// A token that is among those with the largest z of its row. {-inf, -1} stands for none.
struct TopToken {
  float z = -INFINITY;
  int32_t token = -1;
};

// How many of them a row may have: one for each lane of a GPU's warp.
inline constexpr int64_t kMaxTopTokens = 32;

// One value for each of R rows. The arrays are views; the caller owns the memory.
struct TokenStats {
  std::span<float> entropy;    // of softmax(z), in nats
  std::span<int32_t> argmax;   // of z; the lowest id among equals
  std::span<int32_t> sampled;  // a draw from softmax(z): argmax_v(z[v] + gumbel(key, v)), the lowest id among equals

  // What may be asked for besides. Where log_sum is empty, neither is computed, and nothing is paid for it.
  std::span<float> log_sum{};  // ln sum_v e^z[v], NaN where the entropy of z is. So ln p[v] = z[v] - log_sum
  // [R, M] the tokens with the largest z, the largest first; of equal ones the lower id. So no other token's z is above
  // that of the last one. Tokens whose z is NaN or -inf are not among them.
  std::span<TopToken> top{};

  int64_t num_top() const { return top.empty() ? 0 : static_cast<int64_t>(top.size() / entropy.size()); }
};

// Refuses a temperature that is 0, negative, infinite or NaN.
void check_temperature(const char* op, float temperature);

// Refuses more top tokens of a row than kMaxTopTokens.
void check_num_top(const char* op, size_t num_top);

// Refuses arrays that do not have `num_rows` rows. `what` names an array of `num_what` rows that has to have as many.
void check_stats(const char* op, const char* what, size_t num_what, const TokenStats& stats, size_t num_rows);

// Computes z = logits / temperature, which replaces the logits, and the statistics of z.
struct TokenStatsArguments {
  Matrix logits;         // [R, V]; -inf is allowed: its p ln p counts as 0
  float temperature;     // > 0, finite
  Staged<DrawKey> keys;  // [R]
  TokenStats stats;
};

}  // namespace gesso::ops

GESSO_OP(token_stats, TokenStatsArguments)
