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

void int8_expert_gated_linear(const Context& context, ConstMatrix x, const GatedWeights& weights,
                              const quant::Integers& integers, const ops::Routing& routing, Matrix out) {
  const Int8Rows packed = pack_int8(context, x, integers);
  const int64_t operations = 2 * tile_operations(rows_per_expert(routing), x.columns);
  for_each_expert_tiles(context, routing, out.columns, operations,
                        [&](const ExpertSlots& slots, const TileRange& tiles) {
                          const GatedMatrices matrices = expert_matrices(weights, slots.expert);
                          multiply_tiles_gated(slots.rows_of_tokens(packed, routing), matrices.gate, matrices.up,
                                               integers, tiles, out.row_range(slots.begin, slots.count));
                        });
}

}  // namespace

void expert_gated_linear(const Context& context, ConstMatrix x, const GatedWeights& weights,
                         const ops::Routing& routing, Matrix scratch, Matrix out) {
  if (const auto* integers = integers_of(context, weights)) {
    return int8_expert_gated_linear(context, x, weights, *integers, routing, out);
  }
  const int64_t ffn = out.columns;
  const Matrix gate = scratch.column_range(0, ffn), up = scratch.column_range(ffn, ffn);
  const auto by_token = ops::ExpertInput::kTokens;
  if (weights.gate_up) {
    cpu::expert_linear(context, x, by_token, weights.gate_up, routing, scratch);
  } else {
    cpu::expert_linear(context, x, by_token, weights.gate, routing, gate);
    cpu::expert_linear(context, x, by_token, weights.up, routing, up);
  }
  gelu_mul(context, gate, up, out);
}

}  // namespace gesso::cpu
