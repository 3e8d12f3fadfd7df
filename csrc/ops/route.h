// From router scores to each token's experts and weights, and the same pairs sorted by expert.
#pragma once

#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/tensor.h"

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
// times per_expert_scale. Fills every field of `routing`.   scores [R, E]; per_expert_scale F32 [E].
void route(const Context& context, ConstMatrix scores, const Tensor& per_expert_scale, Routing& routing);

}  // namespace gesso::ops

namespace gesso::cpu {
void route(const Context& context, ConstMatrix scores, const Tensor& per_expert_scale, ops::Routing& routing);
}
namespace gesso::cuda {
void route(const Context& context, ConstMatrix scores, const Tensor& per_expert_scale, ops::Routing& routing);
}
