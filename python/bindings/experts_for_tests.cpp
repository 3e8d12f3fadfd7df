// route, expert_linear and expert_combine over NumPy arrays.
#include "core/check.h"
#include "for_tests.h"
#include "ops/expert_combine.h"
#include "ops/expert_linear.h"
#include "ops/route.h"

namespace gesso::bindings {
namespace {

// ops::Routing with its memory; the memory starts with values that no op leaves.
struct OwnedRouting {
  int64_t num_tokens, num_experts, num_active;
  std::vector<int32_t> experts, slot_of_pair, token_of_slot, expert_offsets;
  std::vector<float> weights;

  OwnedRouting(int64_t num_tokens, int64_t num_experts, int64_t num_active)
      : num_tokens(num_tokens),
        num_experts(num_experts),
        num_active(num_active),
        experts(num_tokens * num_active, -1),
        slot_of_pair(experts),
        token_of_slot(experts),
        expert_offsets(num_experts + 1, -1),
        weights(num_tokens * num_active, -1.0f) {}

  ops::Routing view() { return {num_active, experts, weights, slot_of_pair, token_of_slot, expert_offsets}; }

  template <typename T>
  NumpyRows<T> by_token(const std::vector<T>& pairs) const {
    return rows_to_numpy<T>({pairs.data(), num_tokens, num_active});
  }
};

OwnedRouting route(Rows scores, std::optional<Stored> per_expert_scale, int64_t num_active, int num_threads) {
  check(num_active >= 0, "num_active: expected at least 0, got ", num_active);
  OwnedRouting owned(scores.shape(0), scores.shape(1), num_active);
  ops::Routing routing = owned.view();
  ops::route(threads(num_threads), to_matrix(scores), to_tensor(per_expert_scale), routing);
  return owned;
}

NumpyRows<float> expert_linear(Rows x, Stored weight, OwnedRouting& routing, bool by_slot, std::optional<Stored> scale,
                               int num_threads) {
  const auto& shape = std::get<1>(weight);
  Output out(routing.token_of_slot.size(), shape.size() == 3 ? shape[1] : 0);
  ops::expert_linear(threads(num_threads), to_matrix(x), by_slot ? ops::ExpertInput::kSlots : ops::ExpertInput::kTokens,
                     {to_tensor(weight), to_tensor(scale)}, routing.view(), out.view());
  return out.finish();
}

NumpyRows<float> expert_combine(Rows y, OwnedRouting& routing, int num_threads) {
  Output out(routing.num_tokens, y.shape(1));
  ops::expert_combine(threads(num_threads), to_matrix(y), routing.view(), out.view());
  return out.finish();
}

}  // namespace

void bind_expert_ops(nb::module_& module) {
  const auto owned = nb::rv_policy::move;  // the arrays own their memory
  nb::class_<OwnedRouting>(module, "Routing", "Pairs as [tokens, active], slots as [tokens * active].")
      .def_prop_ro(
          "experts", [](const OwnedRouting& self) { return self.by_token(self.experts); }, owned)
      .def_prop_ro(
          "weights", [](const OwnedRouting& self) { return self.by_token(self.weights); }, owned)
      .def_prop_ro(
          "slot_of_pair", [](const OwnedRouting& self) { return self.by_token(self.slot_of_pair); }, owned)
      .def_prop_ro(
          "token_of_slot", [](const OwnedRouting& self) { return copy_to_numpy<int32_t>(self.token_of_slot); }, owned)
      .def_prop_ro(
          "expert_offsets", [](const OwnedRouting& self) { return copy_to_numpy<int32_t>(self.expert_offsets); },
          owned);
  module.def("route", route, "scores"_a, "per_expert_scale"_a.none(), "num_active"_a, nb::kw_only(), num_threads());
  module.def("expert_linear", expert_linear, "x"_a, "weight"_a, "routing"_a, nb::kw_only(), "by_slot"_a = false,
             "scale"_a = nb::none(), num_threads());
  module.def("expert_combine", expert_combine, "y"_a, "routing"_a, nb::kw_only(), num_threads());
}

}  // namespace gesso::bindings
