#include "ops/expert_check.h"

#include "core/importance.h"
#include "ops/check.h"

namespace gesso::ops {

void check_experts(const char* op, ConstMatrix x, ExpertInput input, const Weight& weight, const Routing& routing) {
  check_stored(concat(op, ": weight").c_str(), weight.values, 3);
  const int64_t num_experts = static_cast<int64_t>(routing.expert_offsets.size()) - 1;
  const int64_t num_slots = static_cast<int64_t>(routing.token_of_slot.size());
  check(routing.num_active >= 1, op, ": the routing is empty");
  check(weight.values.shape[0] == num_experts, op, ": weight has ", weight.values.shape[0], " experts, the routing ",
        num_experts);
  if (weight.scale) {
    check_vector(concat(op, ": scale").c_str(), weight.scale, weight.scale.shape.num_elements() == 1 ? 1 : num_experts);
  }
  check_columns(concat(op, ": x").c_str(), x.columns, weight.num_inputs());
  check_rows(concat(op, ": x").c_str(), x.rows,
             input == ExpertInput::kSlots ? num_slots : num_slots / routing.num_active);
}

void check_routing(const char* op, ConstMatrix scores, const Tensor& per_expert_scale, const Routing& routing) {
  check_vector(concat(op, ": per_expert_scale").c_str(), per_expert_scale, scores.columns);
  check(routing.num_active >= 1 && routing.num_active <= scores.columns, op, ": ", routing.num_active,
        " active experts of ", scores.columns);
  const size_t num_pairs = scores.rows * routing.num_active;
  check(routing.experts.size() == num_pairs && routing.weights.size() == num_pairs &&
            routing.slot_of_pair.size() == num_pairs && routing.token_of_slot.size() == num_pairs &&
            static_cast<int64_t>(routing.expert_offsets.size()) == scores.columns + 1,
        op, ": routing arrays do not fit ", num_pairs, " pairs and ", scores.columns, " experts");
}

void add_importance(const Context& context, ConstMatrix x, ExpertInput input, const Weight& weight,
                    const Routing& routing) {
  if (!context.importance) return;
  const int64_t num_experts = weight.values.shape[0];
  for (int64_t expert = 0; expert < num_experts; ++expert) {
    const int64_t begin = routing.expert_offsets[expert], count = routing.expert_offsets[expert + 1] - begin;
    if (input == ExpertInput::kTokens) {
      context.importance->add(weight.values.data, expert, num_experts, x, routing.token_of_slot.data() + begin, count);
    } else {
      context.importance->add(weight.values.data, expert, num_experts, x.row_range(begin, count), nullptr, count);
    }
  }
}

}  // namespace gesso::ops
