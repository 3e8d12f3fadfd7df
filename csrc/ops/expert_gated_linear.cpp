#include "ops/expert_gated_linear.h"

#include "ops/check.h"
#include "ops/expert_check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {
namespace {

// One of the projections: `num_outputs` rows per expert.
void check_projection(const Context& context, ConstMatrix x, const Weight& weight, const Routing& routing,
                      int64_t num_outputs) {
  check_experts("expert_gated_linear", x, ExpertInput::kTokens, weight, routing);
  check(weight.num_outputs() == num_outputs, "expert_gated_linear: weight: expected ", num_outputs,
        " rows per expert, got ", weight.num_outputs());
  add_importance(context, x, ExpertInput::kTokens, weight, routing);
}

}  // namespace

void expert_gated_linear(const Context& context, ConstMatrix x, const GatedWeights& weights, const Routing& routing,
                         Matrix scratch, Matrix out) {
  if (weights.gate_up) {
    check_projection(context, x, weights.gate_up, routing, 2 * out.columns);
  } else {
    check_projection(context, x, weights.gate, routing, out.columns);
    check_projection(context, x, weights.up, routing, out.columns);
  }
  const int64_t num_slots = static_cast<int64_t>(routing.token_of_slot.size());
  check_rows("expert_gated_linear: out", out.rows, num_slots);
  check_rows("expert_gated_linear: scratch", scratch.rows, num_slots);
  check_columns("expert_gated_linear: scratch", scratch.columns, 2 * out.columns);
  const ProfileSpan span(context, "expert_gated_linear", (weights.gate_up ? weights.gate_up : weights.gate).values.data,
                         [&](const Profile& profile) {
                           return expert_work(profile, routing, x.rows, out.columns,
                                              {&weights.gate_up, &weights.gate, &weights.up});
                         });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::expert_gated_linear(context, x, weights, routing, out);
  }
  return cpu::expert_gated_linear(context, x, weights, routing, scratch, out);
}

}  // namespace gesso::ops
