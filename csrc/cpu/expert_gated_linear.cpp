#include "ops/expert_gated_linear.h"

#include "cpu/products/expert_tasks.h"
#include "cpu/products/gelu_mul.h"
#include "ops/expert_linear.h"

namespace gesso::cpu {
namespace {

struct GatedMatrices {
  StoredMatrix gate, up;
};

GatedMatrices expert_matrices(const GatedWeights& weights, int64_t expert) {
  if (!weights.gate_up) {
    return {{expert_matrix(weights.gate.values, expert), weights.gate.scale_of(expert)},
            {expert_matrix(weights.up.values, expert), weights.up.scale_of(expert)}};
  }
  const int64_t ffn = weights.num_outputs();
  const float scale = weights.gate_up.scale_of(expert);
  return {{expert_rows(weights.gate_up.values, expert, 0, ffn), scale},
          {expert_rows(weights.gate_up.values, expert, ffn, ffn), scale}};
}

void int8_expert_gated_linear(const Context& context, const ops::ExpertGatedLinearArguments& a,
                              const quant::Integers& integers) {
  const Int8Rows packed = pack_int8(context, a.x.values, integers);
  const int64_t operations = 2 * tile_operations(rows_per_expert(a.routing), a.x.values.columns);
  for_each_expert_tiles(context, a.routing, a.out.columns, operations,
                        [&](const ExpertSlots& slots, const TileRange& tiles, const JobPoll& poll) {
                          const GatedMatrices matrices = expert_matrices(a.weights, slots.expert);
                          multiply_tiles_gated(slots.rows_of_tokens(packed, a.routing), matrices.gate, matrices.up,
                                               integers, tiles, a.out.row_range(slots.begin, slots.count), poll);
                        });
}

}  // namespace

void expert_gated_linear(const Context& context, const ops::ExpertGatedLinearArguments& a) {
  if (const auto* integers = integers_of(context, a.weights)) {
    return int8_expert_gated_linear(context, a, *integers);
  }
  const int64_t ffn = a.out.columns;
  const Matrix gate = a.scratch.column_range(0, ffn), up = a.scratch.column_range(ffn, ffn);
  const auto project = [&](const Weight& weight, Matrix out) {
    cpu::expert_linear(
        context, {.x = a.x, .input = ops::ExpertInput::kTokens, .weight = weight, .routing = a.routing, .out = out});
  };
  if (a.weights.gate_up) {
    project(a.weights.gate_up, a.scratch);
  } else {
    project(a.weights.gate, gate);
    project(a.weights.up, up);
  }
  gelu_mul(context, gate, up, a.out);
}

}  // namespace gesso::cpu
