#include "ops/route.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void route(const Context& context, const RouteArguments& a) {
  check_vector("route: per_expert_scale", a.per_expert_scale, a.scores.columns);
  check(a.routing.num_active >= 1 && a.routing.num_active <= a.scores.columns, "route: ", a.routing.num_active,
        " active experts of ", a.scores.columns);
  const size_t num_pairs = a.scores.rows * a.routing.num_active;
  check(a.routing.experts.size() == num_pairs && a.routing.weights.size() == num_pairs &&
            a.routing.slot_of_pair.size() == num_pairs && a.routing.token_of_slot.size() == num_pairs &&
            static_cast<int64_t>(a.routing.expert_offsets.size()) == a.scores.columns + 1,
        "route: routing arrays do not fit ", num_pairs, " pairs and ", a.scores.columns, " experts");
  const ProfileSpan span(context, "route", nullptr,
                         [&] { return rows_work(a.scores.rows, a.scores.columns + 4 * a.routing.num_active); });
  dispatch(context, a);
}

}  // namespace gesso::ops
