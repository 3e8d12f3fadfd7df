#include "ops/route.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void route(const Context& context, ConstMatrix scores, const Tensor& per_expert_scale, Routing& routing) {
  check_vector("route: per_expert_scale", per_expert_scale, scores.columns);
  check(routing.num_active >= 1 && routing.num_active <= scores.columns, "route: ", routing.num_active,
        " active experts of ", scores.columns);
  const size_t num_pairs = scores.rows * routing.num_active;
  check(routing.experts.size() == num_pairs && routing.weights.size() == num_pairs &&
            routing.slot_of_pair.size() == num_pairs && routing.token_of_slot.size() == num_pairs &&
            static_cast<int64_t>(routing.expert_offsets.size()) == scores.columns + 1,
        "route: routing arrays do not fit ", num_pairs, " pairs and ", scores.columns, " experts");
  const ProfileSpan span(context, "route", nullptr, [&](const Profile&) {
    return rows_work(scores.rows, scores.columns + 4 * routing.num_active);
  });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::route(context, scores, per_expert_scale, routing);
  }
  return cpu::route(context, scores, per_expert_scale, routing);
}

}  // namespace gesso::ops
