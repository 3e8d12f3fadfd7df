#include "ops/expert_linear.h"

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/expert_check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void expert_linear(const Context& context, const ExpertLinearArguments& a) {
  check_experts("expert_linear", a.x.values, a.input, a.weight, a.routing);
  check_rows("expert_linear: out", a.out.rows, static_cast<int64_t>(a.routing.token_of_slot.size()));
  check_columns("expert_linear: out", a.out.columns, a.weight.num_outputs());
  add_importance(context, a.x.values, a.input, a.weight, a.routing);
  const ProfileSpan span(context, "expert_linear", a.weight.values.data,
                         [&] { return expert_work(context, a.routing, a.x.values.rows, a.out.columns, {&a.weight}); });
  dispatch<cpu::expert_linear, cuda::expert_linear>(context, a);
}

}  // namespace gesso::ops
