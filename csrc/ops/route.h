// Chooses each token's experts and their weights by the router's scores, and sorts the pairs of token and expert.
#pragma once

#include <cstdint>
#include <span>

#include "core/tensor.h"
#include "ops/op.h"

namespace gesso::ops {

// R tokens with A experts each make R * A pairs of a token and an expert. They are stored twice: by token, and sorted
// by expert (and by token within an expert). A pair's place in the second order is its slot. All arrays are views; the
// caller owns the memory.
struct Routing {
  int64_t num_active = 0;             // A
  std::span<int32_t> experts;         // [R * A] expert of each pair, best first
  std::span<float> weights;           // [R * A]
  std::span<int32_t> slot_of_pair;    // [R * A]
  std::span<int32_t> token_of_slot;   // [R * A]
  std::span<int32_t> expert_offsets;  // [E + 1]: expert e has the slots offsets[e] .. offsets[e + 1] - 1
};

// For each token: p = softmax(scores) in float32. The A experts with the largest p are chosen. Of two equal ones the
// lower expert comes first. The weight of a chosen expert is its p, divided by the sum of the A chosen p, times its
// per_expert_scale. Where any score of a token is NaN, so are all its weights: experts with NaN come first.
struct RouteArguments {
  ConstMatrix scores;              // [R, E]
  const Tensor& per_expert_scale;  // F32 [E]
  const Routing& routing;          // every array that it views is written
};

}  // namespace gesso::ops

GESSO_OP(route, RouteArguments)
