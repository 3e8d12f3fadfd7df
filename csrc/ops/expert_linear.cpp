#include "ops/expert_linear.h"

#include "ops/check.h"
#include "ops/expert_check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void expert_linear(const Context& context, ConstMatrix x, ExpertInput input, const Weight& weight,
                   const Routing& routing, Matrix out) {
  check_experts("expert_linear", x, input, weight, routing);
  check_rows("expert_linear: out", out.rows, static_cast<int64_t>(routing.token_of_slot.size()));
  check_columns("expert_linear: out", out.columns, weight.num_outputs());
  add_importance(context, x, input, weight, routing);
  const ProfileSpan span(context, "expert_linear", weight.values.data, [&](const Profile& profile) {
    return expert_work(profile, routing, x.rows, out.columns, {&weight});
  });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::expert_linear(context, x, input, weight, routing, out);
  }
  return cpu::expert_linear(context, x, input, weight, routing, out);
}

}  // namespace gesso::ops
