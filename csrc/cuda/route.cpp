#include "ops/route.h"

#include "cuda/routing/choose_experts.h"

namespace gesso::cuda {

void route(const Context& context, const ops::RouteArguments& a) {
  const PartialScores scores = {.parts = a.scores.data,
                                .part_stride = 0,
                                .row_stride = a.scores.stride,
                                .num_parts = 1,
                                .num_experts = static_cast<int32_t>(a.scores.columns)};
  choose_experts(context, scores, a.scores.rows, a.per_expert_scale.f32(), a.routing);
}

}  // namespace gesso::cuda
