// From router scores to each token's experts and weights, and the same pairs sorted by expert.
#pragma once

#include <cstdint>
#include <span>

#include "core/tensor.h"
#include "ops/op.h"

namespace gesso::ops {

// Token-expert pairs of R tokens with A experts each. A slot is a pair's place after sorting by expert (ties by token).
// Views of caller-owned memory.
struct Routing {
  int64_t num_active = 0;             // A
  std::span<int32_t> experts;         // [R * A] expert of each pair, best first
  std::span<float> weights;           // [R * A]
  std::span<int32_t> slot_of_pair;    // [R * A]
  std::span<int32_t> token_of_slot;   // [R * A]
  std::span<int32_t> expert_offsets;  // [E + 1]: expert e has the slots offsets[e] .. offsets[e + 1] - 1
};

// Per token: p = softmax(scores) in float32; the A largest (ties: lower expert first), renormalised to sum 1, each
// times per_expert_scale.
struct RouteArguments {
  ConstMatrix scores;              // [R, E]
  const Tensor& per_expert_scale;  // F32 [E]
  const Routing& routing;          // every array that it views is written
};

}  // namespace gesso::ops

GESSO_OP(route, RouteArguments)
