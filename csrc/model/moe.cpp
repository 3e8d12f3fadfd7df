#include "model/moe.h"

#include "ops/expert_gated_linear.h"
#include "ops/expert_linear.h"
#include "ops/gated_linear.h"
#include "ops/linear.h"
#include "ops/router.h"

namespace gesso::model {

void gated_mlp(const Context& context, const ops::Activations& x, const Weight& gate, const Weight& up,
               const Weight& down, Matrix scratch, Matrix out) {
  const int64_t ffn = scratch.columns / 2;
  const Matrix gated = scratch.column_range(0, ffn), rest = scratch.column_range(ffn, ffn);
  const ops::Rounding rounding(kOutputSlot, {&down});
  ops::gated_linear(context, {.x = x, .gate = gate, .up = up, .scratch = rest, .out = gated, .rounding = rounding});
  ops::linear(context, {.x = {gated, rounding}, .weight = down, .out = out});
}

PassScratch::Experts routed_experts(const PassContext& pass, const LayerWeights& w, ConstMatrix of_router,
                                    const ops::Activations& of_experts) {
  const Context& context = pass.context;
  const PassScratch::Experts scratch = pass.memory.experts(of_router.rows);
  const ops::Routing& routing = scratch.routing;
  ops::router(context, {.x = of_router,
                        .weight = w.ffn_gate_inp,
                        .scores = scratch.scores,
                        .per_expert_scale = w.ffn_down_exps_scale,
                        .routing = routing});

  const Matrix gated = scratch.gate_up.column_range(0, pass.config.moe_intermediate_size);
  const ops::Rounding rounding(kOutputSlot, {&w.ffn_down_exps});
  ops::expert_gated_linear(context, {.x = of_experts,
                                     .weights = w.ffn_gate_up_exps,
                                     .routing = routing,
                                     .scratch = scratch.gate_up,
                                     .out = gated,
                                     .rounding = rounding});
  ops::expert_linear(context, {.x = {gated, rounding},
                               .input = ops::ExpertInput::kSlots,
                               .weight = w.ffn_down_exps,
                               .routing = routing,
                               .out = scratch.down});
  return scratch;
}

}  // namespace gesso::model
