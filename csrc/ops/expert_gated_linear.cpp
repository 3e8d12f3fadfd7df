#include "ops/expert_gated_linear.h"

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/expert_check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {
namespace {

// Checks one of the projections, which has `num_outputs` rows per expert, and collects its importance.
void check_projection(const Context& context, ConstMatrix x, const Weight& weight, const Routing& routing,
                      int64_t num_outputs) {
  check_experts("expert_gated_linear", x, ExpertInput::kTokens, weight, routing);
  check(weight.num_outputs() == num_outputs, "expert_gated_linear: weight: expected ", num_outputs,
        " rows per expert, got ", weight.num_outputs());
  add_importance(context, x, ExpertInput::kTokens, weight, routing);
}

}  // namespace

void expert_gated_linear(const Context& context, const ExpertGatedLinearArguments& a) {
  if (a.weights.gate_up) {
    check_projection(context, a.x.values, a.weights.gate_up, a.routing, 2 * a.out.columns);
  } else {
    check_projection(context, a.x.values, a.weights.gate, a.routing, a.out.columns);
    check_projection(context, a.x.values, a.weights.up, a.routing, a.out.columns);
  }
  const int64_t num_slots = static_cast<int64_t>(a.routing.token_of_slot.size());
  check_rows("expert_gated_linear: out", a.out.rows, num_slots);
  check_rows("expert_gated_linear: scratch", a.scratch.rows, num_slots);
  check_columns("expert_gated_linear: scratch", a.scratch.columns, 2 * a.out.columns);
  const ProfileSpan span(context, "expert_gated_linear",
                         (a.weights.gate_up ? a.weights.gate_up : a.weights.gate).values.data, [&] {
                           return expert_work(context, a.routing, a.x.values.rows, a.out.columns,
                                              {&a.weights.gate_up, &a.weights.gate, &a.weights.up});
                         });
  dispatch<cpu::expert_gated_linear, cuda::expert_gated_linear>(context, a);
}

}  // namespace gesso::ops
