#include "ops/expert_linear.h"

#include "cpu/products/expert_tasks.h"
#include "cpu/products/int8_product.h"
#include "cpu/products/matmul_block.h"

namespace gesso::cpu {
namespace {

void int8_expert_linear(const Context& context, ConstMatrix x, ops::ExpertInput input, const Weight& weight,
                        const quant::Integers& integers, const ops::Routing& routing, Matrix out) {
  const Int8Rows packed = pack_int8(context, x, integers);
  const int64_t operations = tile_operations(rows_per_expert(routing), x.columns);
  for_each_expert_tiles(
      context, routing, weight.num_outputs(), operations, [&](const ExpertSlots& slots, const TileRange& tiles) {
        const StoredMatrix matrix = {expert_matrix(weight.values, slots.expert), weight.scale_of(slots.expert)};
        const SelectedRows rows =
            input == ops::ExpertInput::kTokens ? slots.rows_of_tokens(packed, routing) : slots.own_rows(packed);
        multiply_tiles(rows, matrix, integers, tiles, out.row_range(slots.begin, slots.count), stores_of(out));
      });
}

}  // namespace

void expert_linear(const Context& context, ConstMatrix x, ops::ExpertInput input, const Weight& weight,
                   const ops::Routing& routing, Matrix out) {
  if (const auto* integers = integers_of(context, weight)) {
    return int8_expert_linear(context, x, input, weight, *integers, routing, out);
  }
  const int64_t operations = block_operations(rows_per_expert(routing), x.columns);
  const MatmulBlock multiply = matmul_block_for(context);
  for_each_expert_part(context, routing, num_blocks(weight.num_outputs()), operations,
                       [&](const ExpertSlots& slots, int64_t block) {
                         const bool by_token = input == ops::ExpertInput::kTokens;
                         const ConstMatrix source = by_token ? x : x.row_range(slots.begin, slots.count);
                         const int32_t* rows = by_token ? routing.token_of_slot.data() + slots.begin : nullptr;
                         multiply(source, rows, slots.count, expert_matrix(weight.values, slots.expert),
                                  weight.scale_of(slots.expert), block, out.row_range(slots.begin, slots.count));
                       });
}

}  // namespace gesso::cpu
