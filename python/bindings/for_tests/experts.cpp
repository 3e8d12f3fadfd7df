// route, router, expert_linear, expert_gated_linear and feed_forward_add for NumPy arrays.
#include "core/check.h"
#include "for_tests.h"
#include "normed_products.h"
#include "ops/expert_gated_linear.h"
#include "ops/expert_linear.h"
#include "ops/feed_forward_add.h"
#include "ops/route.h"
#include "ops/router.h"

namespace gesso::bindings {
namespace {

// An ops::Routing that owns its memory. The memory starts as -1, which no op writes.
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

  ops::Routing view(Call& call) {
    return {num_active,
            call.array(experts),
            call.array(weights),
            call.array(slot_of_pair),
            call.array(token_of_slot),
            call.array(expert_offsets)};
  }

  template <typename T>
  NumpyRows<T> by_token(const std::vector<T>& pairs) const {
    return rows_to_numpy<T>({pairs.data(), num_tokens, num_active});
  }
};

OwnedRouting route(Rows scores, std::optional<Stored> per_expert_scale, int64_t num_active, int num_threads) {
  check(num_active >= 0, "num_active: expected at least 0, got ", num_active);
  Call call(num_threads);
  OwnedRouting owned(scores.shape(0), scores.shape(1), num_active);
  ops::route(
      call.context(),
      {.scores = call.matrix(scores), .per_expert_scale = call.tensor(per_expert_scale), .routing = owned.view(call)});
  call.finish();
  return owned;
}

OwnedRouting router(Rows x, Stored weight, std::optional<Stored> per_expert_scale, int64_t num_active,
                    std::optional<Stored> scale, int num_threads) {
  check(num_active >= 0, "num_active: expected at least 0, got ", num_active);
  Call call(num_threads);
  const int64_t num_experts = std::get<1>(weight)[0];
  OwnedRouting owned(x.shape(0), num_experts, num_active);
  Output scores(x.shape(0), num_experts);
  ops::router(call.context(), {.x = call.matrix(x),
                               .weight = {call.tensor(weight), call.tensor(scale)},
                               .scores = call.output(scores),
                               .per_expert_scale = call.tensor(per_expert_scale),
                               .routing = owned.view(call)});
  call.finish();
  return owned;
}

NumpyRows<float> expert_linear(Rows x, Stored weight, OwnedRouting& routing, bool by_slot, std::optional<Stored> scale,
                               int num_threads) {
  Call call(num_threads);
  const auto& shape = std::get<1>(weight);
  Output out(routing.token_of_slot.size(), shape.size() == 3 ? shape[1] : 0);
  ops::expert_linear(call.context(), {.x = call.matrix(x),
                                      .input = by_slot ? ops::ExpertInput::kSlots : ops::ExpertInput::kTokens,
                                      .weight = {call.tensor(weight), call.tensor(scale)},
                                      .routing = routing.view(call),
                                      .out = call.output(out)});
  call.finish();
  return out.finish();
}

// Takes either gate_up, or gate and up. With gate_up, gate_scale is the scale of both. With `down`, the result is
// rounded for that weight, and the product with it is returned.
NumpyRows<float> expert_gated_linear(Rows x, std::optional<Stored> gate_up, std::optional<Stored> gate,
                                     std::optional<Stored> up, OwnedRouting& routing, std::optional<Stored> gate_scale,
                                     std::optional<Stored> up_scale, std::optional<Stored> down, int num_threads) {
  Call call(num_threads);
  GatedWeights weights;
  if (gate_up) {
    weights.gate_up = {call.tensor(gate_up), call.tensor(gate_scale)};
  } else {
    weights.gate = {call.tensor(gate), call.tensor(gate_scale)};
    weights.up = {call.tensor(up), call.tensor(up_scale)};
  }
  const int64_t slots = routing.token_of_slot.size();
  const int64_t outputs = gate_up ? std::get<1>(*gate_up)[1] / 2 : std::get<1>(gate.value())[1];
  const NextWeight next(call, down);
  Output scratch(slots, 2 * outputs), out(slots, outputs), product(slots, next.num_outputs());
  const Matrix gated = call.output(out);
  const ops::Routing view = routing.view(call);
  ops::expert_gated_linear(call.context(), {.x = call.matrix(x),
                                            .weights = weights,
                                            .routing = view,
                                            .scratch = call.output(scratch),
                                            .out = gated,
                                            .rounding = next.rounding});
  if (next) {
    ops::expert_linear(call.context(), {.x = {gated, next.rounding},
                                        .input = ops::ExpertInput::kSlots,
                                        .weight = next.weight,
                                        .routing = view,
                                        .out = call.output(product)});
  }
  call.finish();
  return next ? product.finish() : out.finish();
}

// The norms are those of the MLP, of the experts and of their sum. Returns the residual, and then the products of what
// was rounded for them.
std::vector<NumpyRows<float>> feed_forward_add(Rows mlp, Rows experts, OwnedRouting& routing,
                                               const std::tuple<Stored, Stored, Stored>& norms, float eps,
                                               std::tuple<float, float> scales, int64_t num_canvas_rows, Rows residual,
                                               const NormsOfTest& next, int num_threads) {
  Call call(num_threads);
  Output sum(to_matrix(mlp)), scratch(residual.shape(0), residual.shape(1)), out(to_matrix(residual));
  NormedProducts normed(call, next, residual.shape(0), residual.shape(1));
  const auto& [mlp_norm, experts_norm, sum_norm] = norms;
  ops::feed_forward_add(call.context(), {.mlp = call.output(sum),
                                         .experts = call.matrix(experts),
                                         .routing = routing.view(call),
                                         .mlp_norm = call.tensor(mlp_norm),
                                         .experts_norm = call.tensor(experts_norm),
                                         .sum_norm = call.tensor(sum_norm),
                                         .eps = eps,
                                         .canvas_scale = std::get<0>(scales),
                                         .text_scale = std::get<1>(scales),
                                         .num_canvas_rows = num_canvas_rows,
                                         .scratch = call.output(scratch),
                                         .residual = call.output(out),
                                         .next = normed.rows()});
  normed.multiply(call);
  call.finish();
  std::vector<NumpyRows<float>> results = {out.finish()};
  normed.append_to(results);
  sum.finish();
  scratch.finish();
  return results;
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
  module.def("router", router, "x"_a, "weight"_a, "per_expert_scale"_a.none(), "num_active"_a, nb::kw_only(),
             "scale"_a = nb::none(), num_threads());
  module.def("expert_linear", expert_linear, "x"_a, "weight"_a, "routing"_a, nb::kw_only(), "by_slot"_a = false,
             "scale"_a = nb::none(), num_threads());
  module.def("expert_gated_linear", expert_gated_linear, "x"_a, "gate_up"_a.none(), "gate"_a.none(), "up"_a.none(),
             "routing"_a, nb::kw_only(), "gate_scale"_a = nb::none(), "up_scale"_a = nb::none(), "down"_a = nb::none(),
             num_threads());
  module.def("feed_forward_add", feed_forward_add, "mlp"_a, "experts"_a, "routing"_a, "norms"_a, "eps"_a, "scales"_a,
             "num_canvas_rows"_a, "residual"_a, "next"_a = NormsOfTest(), nb::kw_only(), num_threads());
}

}  // namespace gesso::bindings
