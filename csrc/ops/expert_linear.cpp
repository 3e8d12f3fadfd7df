#include "ops/expert_linear.h"

#include "core/importance.h"
#include "ops/check.h"

namespace gesso::ops {
namespace {

void add_importance(Importance& importance, ConstMatrix x, ExpertInput input, const Weight& weight,
                    const Routing& routing) {
  const int64_t num_experts = weight.values.shape[0];
  for (int64_t expert = 0; expert < num_experts; ++expert) {
    const int64_t begin = routing.expert_offsets[expert], count = routing.expert_offsets[expert + 1] - begin;
    if (input == ExpertInput::kTokens) {
      importance.add(weight.values.data, expert, num_experts, x, routing.token_of_slot.data() + begin, count);
    } else {
      importance.add(weight.values.data, expert, num_experts, x.row_range(begin, count), nullptr, count);
    }
  }
}

}  // namespace

void expert_linear(const Context& context, ConstMatrix x, ExpertInput input, const Weight& weight,
                   const Routing& routing, Matrix out) {
  check_stored("expert_linear: weight", weight.values, 3);
  const int64_t num_experts = static_cast<int64_t>(routing.expert_offsets.size()) - 1;
  const int64_t num_slots = static_cast<int64_t>(routing.token_of_slot.size());
  check(routing.num_active >= 1, "expert_linear: the routing is empty");
  check(weight.values.shape[0] == num_experts, "expert_linear: weight has ", weight.values.shape[0],
        " experts, the routing ", num_experts);
  if (weight.scale) {
    check_vector("expert_linear: scale", weight.scale, weight.scale.shape.num_elements() == 1 ? 1 : num_experts);
  }
  check_columns("expert_linear: x", x.columns, weight.num_inputs());
  check_rows("expert_linear: x", x.rows, input == ExpertInput::kSlots ? num_slots : num_slots / routing.num_active);
  check_rows("expert_linear: out", out.rows, num_slots);
  check_columns("expert_linear: out", out.columns, weight.num_outputs());
  if (context.importance) add_importance(*context.importance, x, input, weight, routing);
  return cpu::expert_linear(context, x, input, weight, routing, out);
}

}  // namespace gesso::ops
