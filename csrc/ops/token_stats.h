// What sampling needs to know of each canvas position.
#pragma once

#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/random.h"
#include "core/staged.h"
#include "core/tensor.h"

namespace gesso::ops {

// Per row; views of caller-owned memory [R].
struct TokenStats {
  std::span<float> entropy;    // of softmax(z), in nats
  std::span<int32_t> argmax;   // of z; the lowest id among equals
  std::span<int32_t> sampled;  // one draw from softmax(z): argmax_v(z[v] + gumbel(key, v)), the lowest id among equals
};

// z = logits / temperature, written over the logits (the next step's self-conditioning reads it), and its statistics.
// logits [R, V]; keys [R]; temperature > 0. -inf logits are legal: their p ln p counts as 0.
void token_stats(const Context& context, Matrix logits, float temperature, Staged<DrawKey> keys, TokenStats stats);

}  // namespace gesso::ops

namespace gesso::cpu {
void token_stats(const Context& context, Matrix logits, float temperature, Staged<DrawKey> keys, ops::TokenStats stats);
}
namespace gesso::cuda {
void token_stats(const Context& context, Matrix logits, float temperature, Staged<DrawKey> keys, ops::TokenStats stats);
}
