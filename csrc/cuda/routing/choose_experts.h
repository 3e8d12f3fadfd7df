// From scores to a routing, for the ops `route` and `router`.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/device_code.h"
#include "ops/route.h"

namespace gesso::cuda {

// Scores whose sums were cut into parts. A score is scale times the sum of its parts, added in their order.
struct PartialScores {
  const float* parts;   // [num_parts, R, E]
  int64_t part_stride;  // floats from a part to the next
  int64_t row_stride;
  const float* scale = nullptr;  // [1], or null for 1
  int32_t num_parts;
  int32_t num_experts;

  GESSO_HOST_DEVICE float score(int64_t token, int expert) const {
    const float* part = parts + token * row_stride + expert;
    float sum = part[0];
    for (int i = 1; i < num_parts; ++i) sum += part[i * part_stride];
    return scale ? sum * *scale : sum;
  }
};

// Does what ops::route does with the scores of R tokens.
void choose_experts(const Context& context, const PartialScores& scores, int64_t num_tokens,
                    const float* per_expert_scale, const ops::Routing& routing);

}  // namespace gesso::cuda
