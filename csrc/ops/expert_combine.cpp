#include "ops/expert_combine.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void expert_combine(const Context& context, ConstMatrix y, const Routing& routing, Matrix out) {
  check_rows("expert_combine: y", y.rows, static_cast<int64_t>(routing.weights.size()));
  check_rows("expert_combine: out", out.rows * routing.num_active, y.rows);
  check_columns("expert_combine: out", out.columns, y.columns);
  const ProfileSpan span(context, "expert_combine", nullptr,
                         [&](const Profile&) { return rows_work(y.rows + out.rows, y.columns); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::expert_combine(context, y, routing, out);
  }
  return cpu::expert_combine(context, y, routing, out);
}

}  // namespace gesso::ops
